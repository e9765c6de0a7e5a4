"""The bench's bare events: nothing but what the reference observes, and taken in every format."""

import json

import pytest

from app.decode import Limits, decode
from bench.bare import GOALS, NAMES
from bench.bodies import media_type
from bench.load import Pool, Shape


def body(shape):
    return bytes(Pool(shape, without=NAMES).next_request()).partition(b"\r\n\r\n")[2]


def test_a_bare_event_names_nothing():
    """Neither itself nor its query, input or documents."""
    (event,) = json.loads(body(Shape("list", 1)))

    assert {"model", "model_version", "tokenizer_version", "embedding", "scores"} == set(event)


@pytest.mark.parametrize("shape", GOALS, ids=str)
def test_every_format_of_it_is_taken(shape):
    """Columns too, in which nothing but their count says how many events there are."""
    decoded = decode(media_type(shape.encoding), None, body(shape), Limits(), 1_800_000_000.0)

    assert (shape.batch, ()) == (len(decoded.batch), decoded.errors)
