"""What broke the obvious build of such a service, and any bytes at all: never a 500, and the scrape goes on."""

import gzip
import json
import time

import hypothesis
import hypothesis.strategies as st
import pytest

from app.decode import DECODERS, ENCODINGS
from tests.service import event, service, zipped


@pytest.fixture
def served():
    with service() as made:
        made.post(event(norm=1.0))
        yield made


def test_m1_a_lone_surrogate_in_a_label_does_not_end_the_scrape(served):
    """It is no UTF-8: accepted, it would make every scrape from then on fail."""
    for field in ("model", "model_version", "tokenizer_version"):
        reply = served.send(b'{"model": "e5", "%s": "\\ud800"}' % field.encode())

        assert 422 == reply.status
        assert field == reply.json()["errors"][0]["field"]
    assert {"label": 3} == served.failures()


@pytest.mark.parametrize("value", ["NaN", "1e999", "-Infinity", "null"])
def test_m2_a_vector_that_is_not_finite_is_dropped_and_its_event_kept(served, value):
    """The rest of the event is sound."""
    reply = served.send(b'{"model": "e5", "scores": [0.5], "embedding": [0.6, %s]}' % value.encode())

    assert (202, 1) == (reply.status, reply.json()["accepted"])
    invalid = {dict(labels)["reason"]: value for (name, *labels), value in served.samples().items()
               if name == "embedding_invalid_vectors_total" and value}  # fmt: skip
    assert {"non_finite": 1} == invalid


@pytest.mark.parametrize("vector", ['["nan"]', '["0.5"]', "[true]", '"nan"', "[[0.5]]", "{}"])
def test_m2_text_is_no_number_of_a_vector(served, vector):
    """Nothing is converted that a sender did not mean."""
    reply = served.send(b'{"model": "e5", "embedding": %s}' % vector.encode())

    assert 422 == reply.status
    assert "embedding" == reply.json()["errors"][0]["field"]
    served.samples()


@pytest.mark.parametrize("field", ["model", "timestamp", "sample_rate", "norm", "latency_seconds", "kind", "labels"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_m3_nan_in_a_field_that_is_refused_does_not_break_the_reply(served, field, value):
    """A reply that echoed it could not be written as JSON."""
    reply = served.send(b'{"scores": [0.5], "model": "e5", "%s": %s}' % (field.encode(), value.encode()))

    assert 422 == reply.status
    assert field == reply.json()["errors"][0]["field"]
    served.samples()


@pytest.mark.parametrize("content", [[1] * 20_001, {"model": "e5", "embedding": ["x"] * 20_001}, [event()] * 20_001],
                         ids=["items", "numbers", "events"])  # fmt: skip
def test_m4_twenty_thousand_wrong_items_get_a_small_reply_soon(served, content):
    """Not megabytes of errors, and not the event loop's time."""
    begun = time.process_time()

    reply = served.post(content)

    assert reply.status in {413, 422}
    assert len(reply.body) < 2000
    assert time.process_time() - begun < 2
    served.samples()


def test_m5_a_label_of_ten_megabytes_does_not_reach_the_scrape(served):
    """A label value has a bound."""
    reply = served.post(event(model="m" * 10_000_000))

    assert 422 == reply.status
    assert len(served.get("/metrics").body) < 100_000
    assert {"label": 1} == served.failures()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"[" * 100_000, {}),
        (b'{"model":' * 100_000, {}),
        (b'{"model": "e5", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}),
        (b'{"model": "e5", "embedding": ' + b"[" * 100_000, {}),
        (b'{"model": "e5", "norm": ' + b"7" * 5000 + b"}", {}),
        (b'{"model": "e5", "embedding": [' + b"7" * 5000 + b"]}", {}),
        (b'{"model": "e5", "result_count": ' + b"7" * 5000 + b"}", {}),
        (b"this is no gzip", {"content-encoding": "gzip"}),
        (zipped(event())[:-5], {"content-encoding": "gzip"}),
        (b"\x28\xb5\x2f\xfd garbage", {"content-encoding": "zstd"}),
        (b'{"model": "e5\x00"}', {}),
        (b'{"model": "e5\\u0000"}', {}),
        ('{"model": "e5\u2028"}'.encode(), {}),
    ],
)  # fmt: skip
def test_m6_deep_long_and_garbled_bodies_are_refused_or_taken(served, body, headers):
    """Whatever it is, it is the sender's affair and not ours."""
    reply = served.send(body, headers)

    assert reply.status in {202, 400, 413, 422}
    served.samples()


def test_m6_of_duplicate_keys_the_last_one_counts(served):
    """As everywhere with JSON; what matters is that it is one of them."""
    reply = served.send(b'{"model": "first", "model": "last"}')

    assert 202 == reply.status
    assert "last" in {totals.key.model for totals in served.store.totals(served.clock.now())}


@pytest.mark.parametrize("path", ["/v1/baselines"])
@pytest.mark.parametrize("body", [b"[" * 50_000, b'{"model": ' + b"[" * 50_000, b'{"model": "\\ud800"}', b"\xff", b"",
                                  b'{"model": "e5", "window": NaN}', b'{"model": 1e999}'])  # fmt: skip
def test_a_hostile_request_to_pin_is_refused(served, path, body):
    """The same for the other route that takes a body."""
    reply = served.send(body, path=path)

    assert 400 <= reply.status < 500
    served.samples()


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(codec=None), max_size=20), st.just([])
)
FIELDS = st.sampled_from(
    ["model", "model_version", "tokenizer_version", "kind", "timestamp", "sample_rate", "event_id", "embedding", "norm",
     "scores", "top_k", "similarity_metric", "result_count", "error", "latency_seconds", "labels", "events", "ids"]
)  # fmt: skip
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=4), max_leaves=12
)
EVENTS = st.dictionaries(FIELDS, VALUES, max_size=8)
DOCUMENTS = st.one_of(EVENTS, st.lists(EVENTS, max_size=4), VALUES).map(lambda value: json.dumps(value).encode())
BODIES = st.one_of(
    st.binary(max_size=200),
    DOCUMENTS,
    st.lists(DOCUMENTS, max_size=4).map(b"\n".join),
    # Cut, or with a byte changed: close to what is right.
    st.tuples(DOCUMENTS, st.integers(0, 200)).map(lambda cut: cut[0][: cut[1]]),
    st.tuples(DOCUMENTS, st.integers(0, 200), st.binary(min_size=1, max_size=1)).map(
        lambda flip: flip[0][: flip[1]] + flip[2] + flip[0][flip[1] + 1 :]
    ),
)
TYPES = st.sampled_from([*DECODERS, "text/plain", ""])
CODINGS = st.sampled_from([*ENCODINGS, "br", ""])


def test_whatever_is_sent_is_answered_and_the_scrape_still_parses():
    """Any bytes, of any type and encoding: never an exception, never a 500."""
    with service(max_series=16) as served:

        @hypothesis.settings(max_examples=300, deadline=None, derandomize=True, database=None)
        @hypothesis.given(BODIES, TYPES, CODINGS, st.booleans())
        def send(body, content_type, encoding, squeezed):
            data = gzip.compress(body) if squeezed and encoding == "gzip" else body
            reply = served.send(data, {"content-type": content_type, "content-encoding": encoding})

            assert reply.status in {202, 400, 413, 415, 422}
            assert reply.json() is not None
            served.samples()

        send()
        served.tick()
        assert 200 == served.get("/").status
        assert 200 == served.get("/v1/series").status
