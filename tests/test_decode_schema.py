"""The schema in OpenAPI tells of every field and media type, and its examples are events."""

from __future__ import annotations

import json

import pytest

from app.decode import DECODERS, Limits, decode
from app.decode.event import RULES, Event
from app.decode.schema import EVENT_FIELDS, EVENT_SCHEMA, events_request_body


def taken(body):
    return decode("application/json", None, json.dumps(body).encode(), Limits(), 1_767_225_600.25)


def test_every_decoded_field_has_a_rule_and_a_schema():
    """The struct, the rules and the schema are one list of names."""
    assert set(Event.__struct_fields__) == set(RULES)
    assert set(RULES) < set(EVENT_FIELDS)


def test_every_field_of_the_contract_is_described():
    """Those that a later step reads, too."""
    later = {"deployment"}

    assert set(RULES) | later == set(EVENT_FIELDS)
    assert all(field["description"].endswith(".") for field in EVENT_FIELDS.values())


@pytest.mark.parametrize("name", EVENT_FIELDS)
def test_the_examples_of_a_field_are_taken(name):
    """By the decoder itself, so that a copied example works."""
    for example in EVENT_FIELDS[name].get("examples", []):
        decoded = taken({"model": "e5", name: example})
        assert (1, ()) == (len(decoded.batch), decoded.errors)


def test_the_request_body_lists_every_media_type_and_its_examples_are_taken():
    """It can be written as JSON, as OpenAPI is."""
    body = events_request_body()
    content = body["content"]

    assert set(DECODERS) == set(content)
    assert body == json.loads(json.dumps(body))
    assert EVENT_SCHEMA in content["application/json"]["schema"]["anyOf"]
    for example in content["application/json"]["examples"].values():
        decoded = taken(example["value"])
        assert () == decoded.errors
        assert len(decoded.batch) > 0
