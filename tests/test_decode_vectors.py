"""Vectors: kept exactly, measured exactly, dropped with their fault, refused where they are none."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.decode import Limits, decode
from app.decode.lifting import lift
from app.decode.vectors import FAULT_CODE, measure
from app.model import Reason, VectorFault

MAX = float(np.finfo(np.float32).max)
TINY = 1e-45
ZERO, NON_FINITE, DIMENSION = (
    FAULT_CODE[fault] for fault in (VectorFault.ZERO, VectorFault.NON_FINITE, VectorFault.DIMENSION)
)

LIMITS = Limits()


def b64(vector):
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def run_body(body, limits=LIMITS):
    return decode("application/json", None, body.encode(), limits, 0.0)


def run(*events, limits=LIMITS):
    return run_body(json.dumps([{"model": "e5"} | event for event in events]), limits)


def raw(embedding):
    """An event with this JSON text as its vector, between two good ones."""
    good = '{"model":"e5","embedding":[3,4]}'
    return run_body(f'[{good},{{"model":"e5","scores":[0.5],"embedding":{embedding}}},{good}]')


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 6)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_norms_agree_with_float64_over_the_whole_range(matrix):
    """The oracle computes in float64; float32's own range of squares is from 1e-45 to 1e38 only."""
    exact = np.sqrt((matrix.astype(np.float64) ** 2).sum(axis=1))

    found = measure([row.tobytes() for row in matrix.astype("<f4")])

    np.testing.assert_allclose(found.norm, np.where(exact > 0, exact, np.nan), rtol=1e-6)
    assert (exact == 0).tolist() == (found.fault == ZERO).tolist()


@pytest.mark.parametrize("dimension", [1, 2, 768, 8192])
@pytest.mark.parametrize("scale", [1.0, 1e30, MAX, 1e-18, 1e-30, 1e-40])
def test_norms_neither_overflow_nor_vanish(dimension, scale):
    """A vector whose squares leave float32 still has its norm; a denormal one is not zero."""
    vector = np.full(dimension, scale, dtype=np.float32)

    batch = run({"embedding": b64(vector)}, {"embedding": b64([1.0] * dimension)}).batch

    exact = math.sqrt(dimension) * float(vector[0])
    np.testing.assert_allclose(batch.norm, [exact, math.sqrt(dimension)], rtol=1e-6)
    assert not batch.fault.any()


@pytest.mark.parametrize("write", [b64, lambda vector: vector], ids=["base64", "numbers"])
def test_faulty_vectors_are_dropped_and_the_rest_of_the_event_is_kept(write):
    """Each with its fault; good vectors around them stay whole, whatever their length."""
    vectors = [[3.0, 4.0], [0.0, 0.0], [1.0, math.nan], [math.inf, 1.0], [], [1.0], [TINY, 0.0], [-0.0]]

    batch = run(*({"embedding": write(vector), "scores": [0.5]} for vector in vectors), {"scores": [0.5]}).batch

    assert [0, ZERO, NON_FINITE, NON_FINITE, DIMENSION, 0, 0, ZERO, 0] == batch.fault.tolist()
    assert [2, 0, 0, 0, 0, 1, 2, 0, 0] == batch.vectors.lengths.tolist()
    assert [3, 4, 1, np.float32(TINY), 0] == batch.vectors.values.tolist()
    np.testing.assert_allclose(batch.norm, [5, *[np.nan] * 4, 1, np.float32(TINY), np.nan, np.nan])
    assert 9 == len(batch.scores.values)


@pytest.mark.parametrize(
    "embedding",
    [
        "[NaN,1]",
        "[1,Infinity]",
        "[-Infinity]",
        "[1e999,1]",
        "[-1e999]",
        "[1e39]",
        "[1,null]",
        f"[{'9' * 400}]",
        f"[{'9' * 5000},1]",
    ],
)
def test_what_is_no_finite_float32_drops_the_vector(embedding):
    """NaN and infinity as tokens, numbers past float32 or float64 or the reader, and null."""
    decoded = raw(embedding)

    assert () == decoded.errors
    assert [0, NON_FINITE, 0] == decoded.batch.fault.tolist()
    assert [2, 0, 2] == decoded.batch.vectors.lengths.tolist()
    assert [0.5] == decoded.batch.scores.values.tolist()


@pytest.mark.parametrize(
    "embedding",
    [
        '["1"]',
        "[true,1]",
        "[[1,2],[3]]",
        "[[1,2]]",
        "[1,[2],3]",
        "[{}]",
        '["]"]',
        '["a]","b"]',
        "5",
        "true",
        "{}",
        '"*"',
        '"AAA"',
        '"AAAA"',
        '"AAAAPw="',
        '"AAAA\\nPw=="',
        '"AAAAP_=="',
        '"é"',
        '"\\ud800"',
    ],
)
def test_what_is_no_vector_refuses_its_event_alone(embedding):
    """Strings, bools, lists and objects within; text that is not base64 of whole float32s."""
    decoded = raw(embedding)

    assert [0, 2] == decoded.batch.index.tolist()
    assert [3, 4, 3, 4] == decoded.batch.vectors.values.tolist()
    (error,) = decoded.errors
    assert (1, "embedding", Reason.EMBEDDING) == (error.index, error.field, error.reason)


def test_a_slash_in_base64_may_be_escaped():
    """PHP and others write \\/ in JSON."""
    vector = np.full(3, -1.0, dtype="<f4")
    vector.view("<u4")[:] = 0xBFFFFFFF
    text = b64(vector)
    assert "/" in text

    batch = run_body(json.dumps({"model": "e5", "embedding": text}).replace("/", "\\/")).batch

    assert vector.tolist() == batch.vectors.values.tolist()


@pytest.mark.parametrize("write", [b64, lambda vector: vector], ids=["base64", "numbers"])
def test_a_vector_past_the_largest_dimension_is_refused(write):
    """The limit itself is allowed."""
    limits = Limits(dimension=4)

    assert [0] == run(
        {"embedding": write([1.0] * 4)}, {"embedding": write([1.0] * 5)}, limits=limits
    ).batch.index.tolist()
    assert "at most 4" in run({"embedding": write([1.0] * 5)}, limits=limits).errors[0].message


def test_a_norm_that_was_sent_goes_before_the_vectors_own():
    """The norm before normalisation; a norm of 0 tells of a zero vector."""
    events = [
        {"norm": 7.5, "embedding": [3, 4]},
        {"norm": 2},
        {"norm": 0},
        {"norm": 0, "embedding": [3, 4]},
        {"embedding": [3, 4]},
    ]

    batch = run(*events).batch

    np.testing.assert_array_equal(batch.norm, [7.5, 2, np.nan, np.nan, 5])
    assert [0, 0, ZERO, ZERO, 0] == batch.fault.tolist()
    assert [2, 0, 0, 0, 2] == batch.vectors.lengths.tolist()


def test_numbers_are_rounded_to_the_nearest_float32():
    """As numpy rounds them; digits past float32 do not add up."""
    numbers = np.random.default_rng(7).normal(size=100)

    assert numbers.astype(np.float32).tolist() == run({"embedding": numbers.tolist()}).batch.vectors.values.tolist()
    assert [-1, 2**53] == run({"embedding": [-1, 2**53]}).batch.vectors.values.tolist()


# Lifting


def test_lists_are_lifted_and_everything_else_stays():
    """Numbers leave the text; base64, null and vectors of other shapes stay in it."""
    body = b'[{"embedding" : [1, 2],"a":"]"},{"embedding":"AAAA"},{"embedding":null},{"embedding":\n[3]}]'

    lifted = lift(body, 10)

    assert [np.array(vector, "<f4").tobytes() for vector in ([1, 2], [3])] == lifted.vectors
    placeholders = [event["embedding"] for event in json.loads(lifted.text)]
    assert "AAAA" == placeholders[1]
    assert placeholders[2] is None
    assert placeholders[0] != placeholders[3]


@pytest.mark.parametrize(
    "body",
    [
        b'[{"embedding":[1]},{"embedding":[[1]]}]',
        b'[{"embedding":[1]},{"embedding":["]"]}]',
        b'[{"embedding":[1]},{"embedding":[1,]}]',
        b'[{"embedding":[1]},{"embedding":[1',
        b'[{"embedding":[1]},{"embedding":[1]},{"embedding":[1]}]',
        b'[{"embedding":"AAAA"},{"embedding":[1]}]',
        b'{"\\"embedding":[1]}',
        b'{"a":"\\"embedding\\":[1]"}',
        b'["embedding",[1]]',
        b"",
    ],
)
def test_a_body_that_cannot_be_lifted_safely_is_left_whole(body):
    """Lists in lists, strings, what is no JSON, more lists than events, and keys that only look like it."""
    assert (body, []) == lift(body, 2)


def test_no_sender_can_name_the_vector_of_another_event():
    """The placeholder is not to be guessed, and looks like bad base64 to everyone else."""
    decoded = run({"embedding": [1.0]}, {"embedding": "lifted-0"}, {"embedding": "0"}, {"embedding": 0})

    assert [0] == decoded.batch.index.tolist()


@given(
    st.lists(st.lists(st.floats(width=32) | st.integers(-(2**70), 2**70), max_size=4), min_size=1, max_size=4),
    st.sampled_from([None, 2]),
)
def test_lifted_and_unlifted_vectors_are_the_same(vectors, indent):
    """An escape in the key's name keeps it in the text: same events, read the other way."""
    body = json.dumps([{"model": "e5", "embedding": vector} for vector in vectors], indent=indent)

    lifted, unlifted = run_body(body).batch, run_body(body.replace("embedding", "embeddin\\u0067")).batch

    np.testing.assert_array_equal(lifted.vectors.values, unlifted.vectors.values)
    np.testing.assert_array_equal(lifted.vectors.offsets, unlifted.vectors.offsets)
    np.testing.assert_array_equal(lifted.fault, unlifted.fault)
    np.testing.assert_array_equal(lifted.norm, unlifted.norm)


WHOLE = b64([0.5, -0.5, 0.25])


@given(
    st.lists(
        st.sampled_from(
            [
                *(WHOLE, b64([1, 2, 3]), b64([0, 0, 0]), b64([math.nan, 1, 1]), b64([MAX, MAX, MAX])),
                *(b64([1, 2]), b64([1] * 6), "", WHOLE[:8], WHOLE[:12] + "AA==", "====" * 4, "AA==" * 4, "-" * 16),
                *("\n" * 16, "é" * 16, " " + WHOLE[1:], None, [0.5, 0.25, 1.0]),
            ]
        ),
        min_size=1,
        max_size=5,
    )
)
def test_base64_is_read_in_a_batch_as_it_is_alone(embeddings):
    """A batch is decoded in one go where it can be: a fault in one text is never hidden by its neighbours."""
    together = run(*({"embedding": each} for each in embeddings))

    alone = [run({"embedding": each}) for each in embeddings]
    assert [bool(each.errors) for each in alone] == [
        i in {error.index for error in together.errors} for i in range(len(embeddings))
    ]
    taken = [each.batch for each in alone if not each.errors]
    for column in ("norm", "fault"):
        expected = [value for batch in taken for value in getattr(batch, column).tolist()]
        np.testing.assert_allclose(getattr(together.batch, column), expected, rtol=1e-6)
    expected = [value for batch in taken for value in batch.vectors.values.tolist()]
    assert expected == together.batch.vectors.values.tolist()
