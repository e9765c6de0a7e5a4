"""A golden set, embedded again and again."""

import asyncio
import queue
import threading

import numpy as np
import pytest
from embedding_drift_client.probes import ProbeWatch, named

PATIENCE_SECONDS = 10.0
SOON_SECONDS = 0.001


class Patience(threading.Event):
    """Notes how long a watch would wait, and ends it after `times` waits that take no time."""

    def __init__(self, times):
        super().__init__()
        self.times = times
        self.waits = []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        if len(self.waits) == self.times:
            self.set()
        return self.is_set()


class Model:
    """Embeds a text as often as it is asked; `asked` holds the texts, and each of `troubles` is raised once."""

    def __init__(self, *troubles):
        self.troubles = list(troubles)
        self.asked = queue.Queue()

    def __call__(self, text):
        self.asked.put(text)
        if self.troubles:
            raise self.troubles.pop(0)
        return np.array([len(text), 1.0], "f4")

    def wait(self, times):
        return [self.asked.get(timeout=PATIENCE_SECONDS) for _ in range(times)]


def run(embed, probes, every, times):
    """A watch over as many probes, each with a wait: the waits, the recorded pairs and the failures."""
    recorded, failures, stopping = [], [], Patience(times)
    watch = ProbeWatch(
        embed,
        probes,
        every,
        record=lambda name, vector: recorded.append((name, vector)),
        fail=failures.append,
        stopping=stopping,
    )
    watch.start()
    assert watch.join(PATIENCE_SECONDS)
    return stopping.waits, recorded, failures


def test_probes_take_turns_spread_evenly_over_the_time():
    """Four probes every two minutes are one every half minute, the first at once."""
    waits, recorded, failures = run(str.upper, {name: name for name in "abcd"}, 120.0, 6)

    assert [30.0] * 6 == waits
    assert [("a", "A"), ("b", "B"), ("c", "C"), ("d", "D"), ("a", "A"), ("b", "B")] == recorded
    assert [] == failures


@pytest.mark.parametrize("trouble", [RuntimeError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, MemoryError])
def test_nothing_that_embed_raises_ends_the_watch(trouble):
    """The next probe has its turn."""
    waits, recorded, failures = run(Model(trouble(), trouble()), {"a": "text"}, 1.0, 3)

    assert [trouble, trouble] == [type(failure) for failure in failures]
    assert ["a"] == [name for name, _ in recorded]
    assert 3 == len(waits)


def test_a_probe_without_a_vector_is_a_failure():
    """An event without a vector would pass for one that needs none."""
    _, recorded, failures = run(lambda _: None, {"a": "text"}, 1.0, 1)

    assert [] == recorded
    assert [TypeError] == [type(failure) for failure in failures]


def test_a_text_names_itself_and_another_text_is_another_probe():
    """So an edited golden set is no drift; the text does not leave the process."""
    before, after = named(["one", "two"]), named(["two", "three"])

    assert ["one", "two"] == list(before.values())
    assert 1 == len(before.keys() & after.keys())
    assert not {"one", "two", "three"} & (before.keys() | after.keys())
    assert {"a": 1} == named({"a": 1})


def test_probes_arrive_as_probes_whatever_the_sample(exporter, make_client):
    """They are no traffic: the rate of the client does not hold for them."""
    client = make_client(1e-9, batch_size=2)

    client.watch_probes(Model(), {"a": "text", "b": "longer"}, SOON_SECONDS, model_version="3")

    exporter.wait_for_request()
    first, second = exporter.events[:2]
    assert {"a", "b"} == {first["probe"], second["probe"]}
    assert ("3", 1.0) == (first["model_version"], first["sample_rate"])
    assert first["embedding"] != second["embedding"]


def test_a_recorded_probe_is_always_in_the_sample(exporter, make_client):
    """With or without a watch; an empty name is none."""
    client = make_client(1e-9)

    client.record(probe="a", query_id="q-1", embedding=[1.0])
    client.record(probe="", query_id="q-1", embedding=[1.0])

    assert client.flush(PATIENCE_SECONDS)
    assert ["a"] == [event["probe"] for event in exporter.events]
    assert 1 == client.stats.sampled_out


def test_failures_are_counted_each_and_logged_once(make_client, caplog):
    """Counted as events that could not be used; the log names the type and holds no value."""
    client, model = make_client(), Model(*[ValueError("secret")] * 5)

    watch = client.watch_probes(model, ["text"], SOON_SECONDS)
    model.wait(6)
    watch.stop()
    assert watch.join(PATIENCE_SECONDS)

    assert 5 == client.stats.errors
    assert ["a probe cannot be embedded: ValueError"] == caplog.messages


def test_a_vector_that_cannot_be_used_is_counted(make_client, caplog):
    """As in any other event: a model that was asked for one text and gave a matrix."""
    client, asked = make_client(), Model()

    def embed(text):
        return np.stack([asked(text)])

    watch = client.watch_probes(embed, ["text"], SOON_SECONDS)
    asked.wait(2)
    watch.stop()
    assert watch.join(PATIENCE_SECONDS)

    assert client.stats.errors >= 1
    assert "got ndarray" in caplog.messages[0]


def test_the_caller_does_not_wait_for_embed_neither_to_begin_nor_to_stop(make_client, gate):
    """A vector that comes after the stop is not recorded."""
    client, asked = make_client(), Model()

    def embed(text):
        vector = asked(text)
        gate.wait(PATIENCE_SECONDS)
        return vector

    watch = client.watch_probes(embed, ["text"], SOON_SECONDS)
    asked.wait(1)
    watch.stop()
    assert not watch.join(0.0)
    gate.set()

    assert watch.join(PATIENCE_SECONDS)
    assert 0 == client.stats.recorded


def test_a_watch_ends_with_its_client(make_client):
    """And one that is begun later never runs."""
    client, model = make_client(), Model()
    watch = client.watch_probes(model, ["text"], 3600.0)
    model.wait(1)

    assert client.close(PATIENCE_SECONDS)

    assert watch.join(0.0)
    late = client.watch_probes(model, ["text"], SOON_SECONDS)
    assert late.join(0.0)
    assert model.asked.empty()


def test_embed_may_close_the_client(make_client):
    """The thread cannot wait for itself."""
    client, ended = make_client(), queue.Queue()

    def embed(_):
        ended.put(client.close(PATIENCE_SECONDS))

    watch = client.watch_probes(embed, ["text"], SOON_SECONDS)

    assert ended.get(timeout=PATIENCE_SECONDS)
    assert watch.join(PATIENCE_SECONDS)


def test_the_threads_do_not_keep_a_process(make_client):
    """They are daemons, so that an `embed` that hangs cannot keep an exit."""
    watch = make_client().watch_probes(Model(), ["text"], 3600.0)

    assert watch._thread.daemon


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 1.0), "at least one"),
        (({}, 1.0), "at least one"),
        (("one text", 1.0), "not one string"),
        ((["a"], 0.0), "every must be"),
        ((["a"], float("nan")), "every must be"),
        ((["a"], float("inf")), "every must be"),
    ],
    ids=str,
)
def test_a_watch_that_cannot_work_is_refused_when_it_is_made(make_client, arguments, message):
    """At the start of a service an error is seen; later it would only be counted."""
    with pytest.raises(ValueError, match=message):
        make_client().watch_probes(Model(), *arguments)


def test_a_field_that_a_probe_cannot_have_is_refused_with_the_good_ones(make_client):
    """The fields of a client, and no others."""
    with pytest.raises(ValueError, match=r"unknown keyword; fields that hold for all events are deployment, .*model"):
        make_client().watch_probes(Model(), ["text"], query_id="q-1")
