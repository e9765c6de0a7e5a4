"""POST /v1/baselines with a file, and --baseline: samples without time, and baselines of other exporters."""

import asyncio
import io

import numpy as np
import pytest

from app.main import StartError
from tests.service import event, service
from tests.test_compare import vectors

PATH = "/v1/baselines"
FILE = {"content-type": "application/octet-stream"}
WHOSE = "model=e5&model_version=2&tokenizer_version=1"


@pytest.fixture(scope="module")
def rows():
    return vectors(np.random.default_rng(7), 400, d=8)


def npz(**arrays):
    body = io.BytesIO()
    np.savez(body, **arrays)
    return body.getvalue()


def npy(array, **options):
    body = io.BytesIO()
    np.save(body, array, **options)
    return body.getvalue()


def upload(served, body, query=WHOSE):
    return served.ask("POST", PATH, body, FILE, query)


@pytest.mark.parametrize("kind", ["npy", "npz", "named in the file"])
def test_a_sample_becomes_the_baseline_of_its_series(rows, kind):
    """201, and at the next evaluation the series is measured by it and learns no more."""
    body, query = {
        "npy": (npy(rows), WHOSE),
        "npz": (npz(embedding=rows), WHOSE),
        "named in the file": (npz(embedding=rows, model="e5", model_version="2", tokenizer_version="1"), ""),
    }[kind]
    with service() as served:
        reply = upload(served, body, query)
        served.post([event(embedding=row.tolist()) for row in rows[:20]])
        served.tick()
        (series,) = served.get("/v1/series").json()["series"]
        listed = served.get(PATH).json()["baselines"]
        samples = served.samples()

    assert 201 == reply.status
    told = reply.json()
    assert [told] == listed
    assert ("e5", "2", "1", "query") == tuple(
        told[name] for name in ("model", "model_version", "tokenizer_version", "kind")
    )
    assert ("uploaded", "uploaded", "final", 400, 8) == tuple(
        told[name] for name in ("baseline", "origin", "state", "events", "dimension")
    )
    assert told["id"] == series["baselines"]["uploaded"]["id"]
    assert "pinned" not in series["baselines"]
    assert 0 == series["baselines"]["uploaded"]["progress"]["events"]
    assert 400 in {value for (name, *labels), value in samples.items() if name == "embedding_baseline_events"}


def test_what_the_query_says_goes_before_what_the_file_says(rows):
    """A file of one version may be tried on the next."""
    with service() as served:
        told = upload(served, npz(embedding=rows, model="e5", model_version="1"), "model_version=2").json()

    assert ("e5", "2", "") == (told["model"], told["model_version"], told["tokenizer_version"])


def test_all_that_a_file_may_hold_has_its_signal(rows):
    """Lengths, similarities and inputs beside the vectors; the poor-match limit is the sample's own."""
    rng = np.random.default_rng(7)
    scores = np.sort(rng.beta(20, 8, (400, 3)))[:, ::-1]
    scores[7] = np.nan
    body = npz(embedding=rows, norm=rng.normal(5, 0.1, 400), scores=scores, input_hash=["", *map(str, range(399))])
    with service() as served:
        told = upload(served, body).json()

    assert {"norm": 400, "novelty": 400, "pc1": 400} | dict.fromkeys(
        ("top1_similarity", "similarity_mean", "margin"), 399
    ) == told["signals"]
    assert 399 == told["known_inputs"]
    assert told["poor_match_limit"] == pytest.approx(np.nanquantile(scores[:, 0], 0.05), abs=0.005)


def test_input_hashes_of_a_file_are_those_of_events(rows):
    """Both are hashed with the exporter's own secret: known inputs match, though no sender knows it."""
    names = [f"h{i}" for i in range(400)]
    with service(min_window_events=50) as served:
        upload(served, npz(embedding=rows, input_hash=names))
        served.post([event()])
        served.tick()
        served.post(
            [event(embedding=row.tolist(), input_hash=name) for row, name in zip(rows[:60], names, strict=False)]
        )
        served.tick()
        (series,) = served.get("/v1/series").json()["series"]

    assert 60 == series["effects"]["5m"]["uploaded"]["same_input_matches"]
    assert 0 == series["effects"]["5m"]["uploaded"]["same_input_changed_ratio"]


def test_an_exported_baseline_is_taken_as_it_is(rows):
    """The file names its series; the id says that both measure alike."""
    with service() as here, service() as there:
        told = upload(here, npz(embedding=rows)).json()
        body = here.get(f"{PATH}/{told['id']}").body
        taken = upload(there, body, "")
        other = upload(there, body, "model=another")

    assert (201, told) == (taken.status, taken.json())
    assert 422 == other.status
    assert "another series" in other.json()["error"]


def test_a_final_baseline_is_replaced_only_on_request(rows):
    """409, then 201."""
    with service() as served:
        first = upload(served, npy(rows)).json()["id"]
        assert 409 == upload(served, npy(rows[:300])).status
        second = upload(served, npy(rows[:300]), f"{WHOSE}&replace=true").json()["id"]
        (listed,) = served.get(PATH).json()["baselines"]

    assert first != second == listed["id"]


@pytest.mark.parametrize(
    ("body", "query", "status", "says"),
    [
        (npy, "", 422, "model is required"),
        (npy, "model=e5&kind=neither", 422, "kind must be query or document"),
        (npy, "model=e5%0a", 422, "model"),
        (npy, "model=e5&modelversion=2", 400, "query parameters are model, model_version"),
        (npy, "model=e5&replace=yes", 400, "true or false"),
        (lambda rows: npy(rows[:199]), WHOSE, 422, "at least 200 valid vectors are needed, got 199"),
        (lambda rows: npy(rows * np.nan), WHOSE, 422, "got 0"),
        (lambda rows: npy(np.ones((300, 8))), WHOSE, 422, "all vectors are the same"),
        (lambda rows: npy(rows * np.float32(1e30)), WHOSE, 422, "beyond 1e+09"),
        (lambda rows: npy(rows[0]), WHOSE, 422, "needed is (n, d)"),
        (lambda rows: npy(np.ones((200, 8193), np.float16)), WHOSE, 422, "8192 numbers at most, not 8193"),
        (lambda rows: npz(vectors=rows), WHOSE, 422, "no array named embedding"),
        (lambda rows: npz(embedding=rows, norm=np.ones(3)), WHOSE, 422, "norm has the shape (3,)"),
        (lambda rows: npz(embedding=rows, input_hash=np.array(["\ud800"] * 400)), WHOSE, 422, "valid Unicode"),
        (lambda rows: npy(np.array([{}] * 300), allow_pickle=True), WHOSE, 400, "Python objects"),
        (lambda rows: b"", WHOSE, 400, "damaged"),
        (lambda rows: b"PK\x03\x04 no archive", WHOSE, 400, "damaged"),
        (lambda rows: npy(rows)[:-100], WHOSE, 400, "damaged"),
        (lambda rows: npz(header=np.zeros(3, np.uint8)), "", 400, "not a baseline file"),
    ],
)
def test_a_file_of_which_no_baseline_can_be_made_is_told_what_would_be_right(rows, body, query, status, says):
    """422 where the content will not do, 400 where it is damaged or the query is not understood; nothing is kept."""
    with service() as served:
        reply = upload(served, body(rows), query)
        assert [] == served.get(PATH).json()["baselines"]

    assert status == reply.status, reply.text()
    assert says in reply.json()["error"]


def test_vectors_of_another_dimension_than_the_series_has_are_refused(rows):
    """Rather than a series whose events cannot be measured."""
    with service() as served:
        served.post(event(embedding=[0.6, 0.8]))
        served.services.store.find(next(iter(served.services.store.series())).key).totals(served.clock.now())
        reply = upload(served, npy(rows))

    assert 422 == reply.status
    assert "2 dimensions, the file of 8" in reply.json()["error"]


def test_an_archive_that_swells_is_refused_before_it_is_inflated():
    """A few hundred kilobytes that would be 400 MiB."""
    body = io.BytesIO()
    np.savez_compressed(body, embedding=np.zeros((100_000, 1024), np.float32))
    with service() as served:
        reply = upload(served, body.getvalue())

    assert len(body.getvalue()) < 1_000_000
    assert 413 == reply.status
    assert "sample of its rows" in reply.json()["error"]


def test_a_file_too_large_is_refused_by_what_it_says_of_itself():
    """Before a byte of it is read."""
    with service() as served:
        reply = served.ask("POST", PATH, b"", FILE | {"content-length": str(256 * 1024 * 1024 + 1)}, WHOSE)

    assert 413 == reply.status


def test_one_file_is_taken_at_a_time(rows):
    """Each needs memory of its own: the second sender is asked to come again, and the first is served."""
    with service() as served:

        async def both():
            rest = asyncio.Event()

            async def after():
                await rest.wait()
                return {"type": "http.request", "body": npy(rows)[500:], "more_body": False}

            first = asyncio.create_task(served.asked("POST", PATH, [npy(rows)[:500]], FILE, WHOSE, after))
            await asyncio.sleep(0)
            second = await served.asked("POST", PATH, npy(rows), FILE, WHOSE)
            events = await served.asked("GET", "/v1/series")
            rest.set()
            return await first, second, events

        first, second, other = served.run(both())

    assert (201, 503, 200) == (first.status, second.status, other.status)
    assert "retry-after" in second.headers


def test_there_are_no_more_baselines_than_series_may_be(rows):
    """Or anybody who may upload could fill the memory; a known one may still be replaced."""
    with service(max_series=2) as served:
        statuses = [upload(served, npy(rows), f"model={name}").status for name in "abc"]
        again = upload(served, npy(rows), "model=a&replace=true").status

    assert [201, 201, 409] == statuses
    assert 201 == again


def test_a_sample_may_be_named_at_the_start(rows, tmp_path):
    """--baseline takes a .npz that says whose vectors it holds, beside what other exporters wrote."""
    file = tmp_path / "golden.npz"
    file.write_bytes(npz(embedding=rows, model="e5", kind="document"))
    with service(baseline=(file,)) as served:
        (told,) = served.get(PATH).json()["baselines"]

    assert ("e5", "document", "uploaded") == (told["model"], told["kind"], told["baseline"])


def test_a_sample_that_does_not_say_whose_it_is_ends_the_start(rows, tmp_path):
    """With the way to say it."""
    file = tmp_path / "golden.npy"
    np.save(file, rows)

    with pytest.raises(StartError, match=r"golden\.npy: model is required.*np\.savez"), service(baseline=(file,)):
        pass
