"""A real Prometheus scrapes a real exporter, and every family of the catalogue is there to be queried."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace

import numpy as np
import pytest

from app.baseline import to_bytes
from app.decode.inputs import hashed
from app.metrics.catalog import FAMILIES
from app.model import SeriesKey, Timing
from app.series import Series
from tests.builders import traffic
from tests.conftest import DEADLINE_SECONDS
from tests.service import service

KEY = SeriesKey("e5", "2", "1", "query")
VERSION = {"model": "e5", "model_version": "2", "tokenizer_version": "1"}
PRODUCTS = {"model": "e5", "index": "products"}
LIVED = [
    {"type": "deployment", "status": "finished", **VERSION},
    {"type": "reindex", "status": "finished", "reindex": "1", "duration_seconds": 60, **PRODUCTS},
    {"type": "reindex", "status": "started", "reindex": "2", **PRODUCTS},
    {"type": "reindex", "status": "progress", "reindex": "2", "progress": 0.5, **PRODUCTS},
    {"type": "documents", "status": "ingested", "ids": ["a", "b"], **PRODUCTS},
    {"type": "documents", "status": "indexed", "ids": ["a"], **PRODUCTS},
    {"type": "maintenance", "status": "begin", "model": "e5"},
]
"""One of everything that is told of a model and its index."""
LABELS = {"locale": "de", "source": "server"}
DAY = 86400.0
INPUTS = [f"query {number}" for number in range(20)]
"""What is asked: each of them again and again."""
DOCUMENTS = [f"document {number}" for number in range(40)]
"""What is found."""


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory):
    """What replicas hash inputs with, so that a baseline of one knows the inputs of another."""
    path = tmp_path_factory.mktemp("secret") / "key"
    path.write_text("a secret that replicas share")
    return path


@pytest.fixture(scope="module")
def baseline_file(secret_file, tmp_path_factory):
    """A final baseline of the series, as another replica would export it: a day of traffic on a simulated clock."""
    rng = np.random.default_rng(7)
    with service(input_hash_key_file=secret_file) as running:
        pinned, input_key = running.services.pinned, running.services.limits.input_key
    inputs, _ = hashed(INPUTS, None, input_key)
    series = Series(KEY, 0.0, Timing(), rng, secret=input_key)
    for now in np.arange(60.0, DAY + 660, 60):
        batch = traffic(rng, np.full(10, now), key=KEY)
        found = [rng.choice(DOCUMENTS, 3).tolist() for _ in range(10)]
        series.append(replace(batch, inputs=rng.choice(inputs, 10), ids=found), now)
    baseline = pinned.of(series, DAY + 600)
    assert baseline.state == "final"
    path = tmp_path_factory.mktemp("baseline") / "e5.npz"
    path.write_bytes(to_bytes(baseline))
    return path


@pytest.fixture(scope="module")
def exporter(start, baseline_file, secret_file, tmp_path_factory):
    """The exporter as a user starts it, 240 times as fast, with queries of every kind; it was stopped once before.

    They come for an hour of its time: then the windows that are exported are full, and measured in the frame.
    """
    serve = [sys.executable, "-m", "app.cli", "serve", "--listen", "{address}", "--time-scale", "240"]
    serve += [
        "--baseline",
        str(baseline_file),
        "--input-hash-key-file",
        str(secret_file),
        "--slice-labels",
        "locale,source",
        "--state-dir",
        str(tmp_path_factory.mktemp("state") / "state"),
        "--state-mode",
        "journal",
    ]
    before = start("exporter before", serve, "/-/ready")
    before.popen.terminate()
    assert 0 == before.popen.wait(DEADLINE_SECONDS), before.log.read_text()
    process = start("exporter", serve, "/-/ready")
    rng = np.random.default_rng(7)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while "embedding_changed_share{" not in process.get("/metrics"):
        assert time.monotonic() < deadline, "no hour was full in time"
        events = [query(rng) for _ in range(250)]
        events += [{"error": "timeout"}, {"embedding": [0] * 8}, {"result_count": 0}]
        send(process, "/v1/events", {**VERSION, "labels": LABELS, "events": events})
        send(process, "/v1/events", {**VERSION, "model_version": "3", "events": [query(rng)]})
        time.sleep(0.4)
    send(process, "/v1/lifecycle", {"events": LIVED})
    return process


def send(process, path, content):
    """POST content with a list of events, all of which are taken."""
    request = urllib.request.Request(
        process.url + path, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        assert (202, len(content["events"])) == (reply.status, json.load(reply)["accepted"])


def query(rng):
    return {
        "embedding": rng.normal(size=8).tolist(),
        "scores": sorted(rng.beta(8, 4, size=5).tolist(), reverse=True),
        "latency_seconds": float(rng.gamma(2, 0.02)),
        "input_hash": str(rng.choice(INPUTS)),
        "ids": rng.choice(DOCUMENTS, 5, replace=False).tolist(),
        "relevant": [str(rng.choice(DOCUMENTS))],
        "outcome": {"clicked": bool(rng.random() < 0.5)},
    }


@pytest.fixture(scope="module")
def scraped(start, exporter, prometheus, tmp_path_factory):
    """A Prometheus that scrapes the exporter every second and has done so after its first evaluation."""
    directory = tmp_path_factory.mktemp("prometheus")
    configuration = directory / "prometheus.yml"
    target = exporter.url.removeprefix("http://")
    configuration.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: embedding-drift, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    command = [
        prometheus,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--web.listen-address={address}",
    ]
    process = start("prometheus-log", command, "/-/ready")
    # The last to come: one wants an evaluation, the other a scrape before.
    latest = (
        "embedding_changed_share",
        "embedding_same_input_cosine",
        "embedding_slice_ood_excess_ratio",
        "embedding_canary_result",
        "embedding_exporter_scrape_duration_seconds",
    )
    rng = np.random.default_rng(8)

    def all_there():
        # A window counts once all of it was measured in the frame: traffic that had ended would have left it by then.
        send(exporter, "/v1/events", {**VERSION, "labels": LABELS, "events": [query(rng) for _ in range(20)]})
        return all(queried(process, name) for name in latest)

    process.until(all_there)
    return process


def queried(process, expression):
    """The result of an instant query: a list of series, empty where there are none."""
    answer = json.loads(process.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
    assert "success" == answer["status"]
    return answer["data"]["result"]


def test_the_target_is_up(scraped):
    """Prometheus counts the exporter as healthy."""
    (up,) = queried(scraped, "up")

    assert "1" == up["value"][1]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_can_be_queried(scraped, family):
    """With the labels of the catalogue, beside those that Prometheus adds."""
    name = f"{family.name}_bucket" if family.kind == "histogram" else family.name
    found = queried(scraped, name)

    labels = {"__name__", "job", "instance", *family.labels} | ({"le"} if family.kind == "histogram" else set())
    # A label with an empty value is none.
    empty = {"similarity_metric", "dimension", "id", "peer_model_version", "peer_tokenizer_version"}
    assert found
    for series in found:
        assert labels - empty <= set(series["metric"]) <= labels


def test_histograms_answer_quantile_queries(scraped):
    """Negative bounds and all: the median of the top-1 similarities is where the data have it."""
    (median,) = queried(scraped, "histogram_quantile(0.5, sum by (le) (embedding_top1_similarity_bucket))")

    assert 0.7 < float(median["value"][1]) < 0.95


def test_prometheus_knows_type_and_help(scraped):
    """The metadata that dashboards show are those of the catalogue."""
    metadata = json.loads(scraped.get("/api/v1/metadata"))["data"]

    for family in FAMILIES:
        # Scraped as OpenMetrics, where a family of counters goes without _total.
        known = metadata.get(family.name) or metadata.get(family.name.removesuffix("_total"))
        assert (family.kind, family.help) == (known[0]["type"], known[0]["help"])


def test_promtool_has_nothing_to_say_of_a_live_scrape(exporter, promtool):
    """`promtool check metrics` on what curl gets is silent."""
    page = exporter.get("/metrics")

    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)

    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)
