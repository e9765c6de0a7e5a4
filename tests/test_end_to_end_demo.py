"""The demonstration as a stranger starts it: real processes, real traffic, and what the exporter shows meanwhile."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.demo.acts import ACTS, HEALTHY, MODEL
from app.demo.performance import HEALTHY_EVENTS

pytestmark = [pytest.mark.slow, pytest.mark.alone]

COMMAND = Path(sys.executable).with_name("embedding-drift-exporter")
LIMIT_SECONDS = 90
"""The promise of `--once --fast`."""
PATHS = ("/", "/v1/series", "/metrics")


class Played(NamedTuple):
    """A demonstration that is over."""

    code: int
    said: str
    complaints: str
    pages: dict
    """Path -> every answer to a GET, in order."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(port, *options):
    return subprocess.Popen(
        [COMMAND, "demo", f"--port={port}", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def get(port, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return reply.read().decode()


@pytest.fixture(scope="module")
def played():
    """Play it once and look at its pages every second or so, as a browser and Prometheus would."""
    port = free_port()
    pages = {path: [] for path in PATHS}
    over = threading.Event()

    def look():
        while not over.wait(0.8):
            for path in PATHS:
                try:
                    pages[path].append(get(port, path))
                except OSError:
                    # Not there yet, or no longer.
                    continue

    child = start(port, "--once", "--fast")
    spectator = threading.Thread(target=look)
    spectator.start()
    try:
        said, complaints = child.communicate(timeout=LIMIT_SECONDS)
    finally:
        # Not killed: it has children to end.
        child.terminate()
        over.set()
        spectator.join()
    return Played(child.returncode, said, complaints, pages)


def samples(page):
    """Name -> (labels, value) of the demonstration's series on a /metrics page."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.labels.get("model") == MODEL:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_every_act_is_named_and_the_ordinary_day_is_silent(played):
    """Within the promised time, as its exit code and its summary say."""
    assert 0 == played.code, played.said + played.complaints
    assert "Traceback" not in played.complaints
    summary = played.said[played.said.index(f"  1. {HEALTHY.title}") :]
    for number, act in enumerate(ACTS, start=1):
        noticed = f"named {act.cause}" if act.cause else "noticed"
        verdict = r"silent for \d\d,\d{3} events" if act is HEALTHY else rf"{noticed} after \d+\.\d s, \d+ minutes"
        assert re.search(rf"^  {number}\. {act.title}: {verdict}", summary, re.MULTILINE), summary
    assert "all as promised" in summary


def test_the_ordinary_day_is_silent_for_ten_thousand_events(played):
    """As its line says."""
    (events,) = re.findall(rf"^  1\. {HEALTHY.title}: silent for ([\d,]+) events", played.said, re.MULTILINE)

    assert int(events.replace(",", "")) >= HEALTHY_EVENTS


@pytest.mark.parametrize("act", [act for act in ACTS if act is not HEALTHY], ids=lambda act: act.name)
def test_an_act_is_announced_with_what_to_look_at_and_told_as_it_shows(played, act):
    """Between its announcement and the return to health stands what rose and when, and the diagnosis with evidence."""
    told = played.said[played.said.index(f": {act.title}\n") :]
    told = told[: told.index("back to health")]

    assert act.look_at in told
    rose = "a new series" if act.announced else r"\w+: \w+ over 1h"
    assert re.search(rf"^  \+ +\d+\.\d s  {rose}", told, re.MULTILINE), told
    assert act.announced == ("\n  diagnosis: " not in told)


def test_a_scrape_at_any_moment_is_whole(played):
    """Counters only rise; scores come with the baseline, and every cause is suspected at some time."""
    pages = [samples(page) for page in played.pages["/metrics"]]
    counts = [
        sum(value for labels, value in page.get("embedding_events_total", ()) if labels["tokenizer_version"] == "1")
        for page in pages
    ]
    scores = [page.get("embedding_drift_score", ()) for page in pages]

    assert len(pages) > 30
    assert sorted(counts) == counts
    assert counts[-1] > 20_000
    assert not scores[0]
    assert scores[-1]
    suspected = {
        labels["cause"] for page in pages for labels, value in page.get("embedding_drift_suspect", ()) if value == 1
    }
    assert {act.cause for act in ACTS if act.cause} <= suspected
    for family in ("embedding_norm_bucket", "embedding_top1_similarity_bucket", "embedding_similarity_kl_nats"):
        assert family in pages[-1]


def test_an_announced_tokenizer_is_a_series_of_its_own(played):
    """From its act on, and never before."""
    versions = [
        {labels["tokenizer_version"] for labels, _ in samples(page).get("embedding_events_total", ())}
        for page in played.pages["/metrics"]
    ]

    assert len(versions) / 3 < versions.index({"1", "2"}) < len(versions)
    assert all(each <= {"1"} for each in versions[: versions.index({"1", "2"})])


def by_labels(page, name, **wanted):
    """The sum of the samples with these labels."""
    return sum(
        value
        for labels, value in page.get(name, ())
        if all(labels.get(each) == value for each, value in wanted.items())
    )


def test_labels_and_outcomes_are_counted(played):
    """Of each query whether there was an answer, of one in four what its user made of it, of one in five its recall."""
    page = samples(played.pages["/metrics"][-1])
    queries = by_labels(page, "embedding_queries_total")

    assert 0.95 < by_labels(page, "embedding_outcomes_total", outcome="no_answer") / queries <= 1
    for outcome in ("success", "clicked", "escalated"):
        assert 0.2 < by_labels(page, "embedding_outcomes_total", outcome=outcome) / queries < 0.3
    assert 0.1 < by_labels(page, "embedding_labelled_queries_total") / queries < 0.3
    assert (
        0 < by_labels(page, "embedding_hit_queries_total", k="10") < by_labels(page, "embedding_labelled_queries_total")
    )


def test_what_was_done_on_purpose_is_told(played):
    """The canary is announced, fails and is rolled back; the index is rebuilt, and documents are late in one act."""
    pages = [samples(page) for page in played.pages["/metrics"]]
    last = pages[-1]

    announced = {
        (labels["tokenizer_version"], value)
        for page in pages
        for labels, value in page.get("embedding_version_announced", ())
    }
    assert {("1", 1), ("2", 1)} == announced
    assert 1 == by_labels(last, "embedding_deployments_total", track="canary", result="rolled_back")
    assert any(by_labels(page, "embedding_canary_result", tokenizer_version="2", result="fail") for page in pages)
    assert by_labels(last, "embedding_documents_fresh_total") > 2 * by_labels(last, "embedding_documents_late_total")
    assert by_labels(last, "embedding_reindexes_total", result="finished") >= 2


def test_documents_are_late_while_the_indexing_job_is_stuck(played):
    """The freshness falls in that act, and a slow machine may make some late before it."""
    pages = [samples(page) for page in played.pages["/metrics"]]
    told = [[by_labels(page, f"embedding_documents_{what}_total") for what in ("fresh", "late")] for page in pages]
    cause = {"cause": "index_stale_or_reembedded", "baseline": "pinned"}
    named = [by_labels(page, "embedding_drift_suspect", **cause) for page in pages].index(1)
    (fresh_before, late_before), (fresh, late) = told[named - 4], told[named + 2]

    assert late_before / (fresh_before + late_before) < 0.15
    assert (late - late_before) / (fresh - fresh_before + late - late_before) > 0.2


def test_the_landing_page_shows_state_counts_and_pictures(played):
    """One card a series; the pictures show now over the baseline, once there is one."""
    # Before the first evaluation there is no state to show.
    shown = [page for page in played.pages["/"] if "Baseline: <strong>" in page]
    first, last = shown[0], shown[-1]

    assert re.search(r"Baseline: <strong>(learning|provisional)", first)
    assert MODEL in last
    assert "Baseline: <strong>final" in last
    assert re.search(r"\d\d,\d{3} events", last)
    assert last.count("<svg") >= 2
    assert re.search(r"<td>success</td>\s*<td>\d+\.\d%.*of \d", last)
    assert "no answer" in last
    assert 2 == max(page.count("<article") for page in played.pages["/"])


def test_the_series_are_listed_with_their_windows(played):
    """As JSON, for those who write their own pages."""
    listed = json.loads(played.pages["/v1/series"][-1])["series"]
    (watched,) = (each for each in listed if each["tokenizer_version"] == "1")

    assert {MODEL} == {each["model"] for each in listed}
    assert watched["events"] > 20_000
    assert 256 == watched["dimension"]
    assert watched["windows"]["1h"]["events"] > 200


def test_each_cause_is_the_first_of_the_suspects_in_its_act(played):
    """With a title and the evidence, as on the landing page."""
    listed = [each for page in played.pages["/v1/series"] for each in json.loads(page)["series"]]
    suspects = [each["suspects"]["pinned"] for each in listed if each.get("suspects", {}).get("pinned")]

    assert {act.cause for act in ACTS if act.cause} <= {found[0]["cause"] for found in suspects}
    assert all(suspect["title"] and suspect["evidence"] for found in suspects for suspect in found)


@pytest.mark.parametrize("moment", ["Starting", "learning:"])
def test_ctrl_c_ends_it_without_a_trace(moment):
    """While the model is trained and while the baseline is learned: no traceback, and the port is free again."""
    port = free_port()
    with start(port, "--fast") as child:
        for line in child.stdout:
            if moment in line:
                break
        child.send_signal(signal.SIGINT)
        said, complaints = child.communicate(timeout=30)

    assert (0, "") == (child.returncode, complaints)
    assert said.endswith("\nstopped\n")
    with socket.create_server(("127.0.0.1", port)):
        pass
