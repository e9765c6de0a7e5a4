"""The routes of baselines: list, pin, export, load elsewhere, unpin."""

import numpy as np
import pytest

from app.main import StartError
from tests.service import event, service, vectors

PATH = "/v1/baselines"
WANTED = {"model": "e5", "model_version": "2", "tokenizer_version": "1"}
LEARNED = {"baseline_min_events": 400, "min_window_events": 50, "baseline_duration_seconds": 2400.0}


def fill(served, *, minutes=50, per_minute=20, seed=7):
    """Traffic of some minutes, with an evaluation every five."""
    rng = np.random.default_rng(seed)
    for minute in range(minutes):
        top1 = np.clip(rng.normal(0.7, 0.1, per_minute), -1, 1)
        batch = [
            event(embedding=vector, scores=[score, score - 0.05])
            for vector, score in zip(vectors(rng, per_minute), top1.tolist(), strict=True)
        ]
        assert 202 == served.post(batch).status
        served.clock.advance(60)
        if minute % 5 == 4:
            served.tick()
    served.tick()


@pytest.fixture(scope="module")
def filled():
    """A service with fifty minutes of traffic; its tests leave the events as they are."""
    with service(**LEARNED) as made:
        fill(made)
        yield made


@pytest.fixture
def unpinned(filled):
    """The same without any baseline."""
    for each in filled.get(PATH).json()["baselines"]:
        assert 204 == filled.ask("DELETE", f"{PATH}/{each['id']}").status
    return filled


def pin(served, **fields):
    return served.post(WANTED | {"window": "1h"} | fields, path=PATH)


def test_a_window_is_pinned_and_listed(unpinned):
    """201 with what the list then says."""
    assert [] == unpinned.get(PATH).json()["baselines"]

    reply = pin(unpinned)

    assert 201 == reply.status
    told = reply.json()
    assert "window" == told["origin"]
    assert 1000 == told["events"]
    assert {"norm", "top1_similarity"} <= set(told["signals"])
    assert {"baselines": [told]} == unpinned.get(PATH).json()
    assert 200 == unpinned.ask("HEAD", PATH).status


def test_a_final_baseline_is_replaced_only_on_request(unpinned):
    """409, and 201 where the request says so. A window of as long a time as a learned baseline is final at once."""
    assert "final" == pin(unpinned, window="24h").json()["state"]

    assert 409 == pin(unpinned, window="24h").status
    assert 201 == pin(unpinned, window="24h", replace=True).status


@pytest.mark.parametrize("other", [{"model": "unknown"}, {"kind": "document"}, {"model_version": "3"}])
def test_a_series_that_is_not_there_cannot_be_pinned(filled, other):
    """404 says how to find those that are."""
    reply = pin(filled, **other)

    assert 404 == reply.status
    assert "/v1/series" in reply.json()["error"]


@pytest.mark.parametrize(
    ("fields", "says"), [({"window": "7d"}, "5m, 1h, 24h"), ({"window": "5m"}, "of the 400 events")]
)
def test_a_window_that_is_unknown_or_too_thin_cannot_be_pinned(unpinned, fields, says):
    """422 with what would do."""
    reply = pin(unpinned, **fields)

    assert 422 == reply.status
    assert says in reply.json()["error"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"model": 3}', b'{"model": "e5", "windows": "1h"}', b'{"model": "e5", "kind": ""}'],
)
def test_a_body_that_does_not_say_what_to_pin_is_malformed(filled, body):
    """400 with the fields there are."""
    reply = filled.send(body, path=PATH)

    assert 400 == reply.status
    assert "tokenizer_version" in reply.json()["error"]


def test_a_body_too_large_to_pin_by_is_refused(filled):
    """413: what to pin is said in a hundred bytes."""
    assert 413 == filled.send(b" " * 70_000, path=PATH).status


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_pins(unpinned, content_type):
    """Other types a browser sends for any page without asking: none of them may replace a baseline."""
    reply = unpinned.post(WANTED, {"content-type": content_type}, path=PATH)

    assert 415 == reply.status
    assert "application/json" in reply.json()["error"]
    assert [] == unpinned.get(PATH).json()["baselines"]


def test_a_baseline_that_is_not_there_is_neither_exported_nor_unpinned(filled):
    """404 on both ways."""
    assert 404 == filled.get(f"{PATH}/0123456789abcdef").status
    assert 404 == filled.ask("DELETE", f"{PATH}/0123456789abcdef").status


def test_an_unpinned_baseline_is_gone_and_learned_anew(unpinned):
    """204, then 404; the next evaluation starts again."""
    told = pin(unpinned).json()

    assert 204 == unpinned.ask("DELETE", f"{PATH}/{told['id']}").status
    assert 404 == unpinned.ask("DELETE", f"{PATH}/{told['id']}").status
    unpinned.tick()
    series = unpinned.get("/v1/series").json()["series"][0]
    assert "learning" == series["baselines"]["pinned"]["state"]


def test_an_exported_baseline_measures_alike_in_another_exporter(tmp_path):
    """The file is loaded by name, with its limits, and gives the same id and the same limits."""
    with service(**LEARNED) as here:
        fill(here)
        (told,) = here.get(PATH).json()["baselines"]
        exported = here.get(f"{PATH}/{told['id']}")
        file = tmp_path / "baseline.npz"
        file.write_bytes(exported.body)

        assert 200 == exported.status
        assert f'attachment; filename="baseline-{told["id"]}.npz"' == exported.headers["content-disposition"]
        with service(**LEARNED, baseline=(file,)) as there:
            assert [told | {"origin": "file"}] == there.get(PATH).json()["baselines"]
            # What came before the first evaluation is not measured in the frame, and out of the window by then.
            fill(here, minutes=15, seed=11)
            fill(there, minutes=15, seed=11)
            original, loaded = limits(here, "5m"), limits(there, "5m")

    assert original
    assert original == loaded


def test_a_damaged_baseline_file_ends_the_start_and_says_so(tmp_path):
    """Rather than an exporter that measures against nothing."""
    file = tmp_path / "baseline.npz"
    file.write_bytes(b"no baseline")

    with pytest.raises(StartError, match=r"--baseline .*baseline\.npz: it is damaged"), service(baseline=(file,)):
        pass


def limits(served, window):
    """Limits of the scores of the only series, by signal and statistic."""
    (series,) = served.get("/v1/series").json()["series"]
    return {
        (score["signal"], score["statistic"]): score["limit"]
        for score in series["scores"]
        if score["window"] == window and score["limit"] is not None
    }
