"""Every panel of every dashboard has something to show: a real Prometheus with our rules scrapes an exporter."""

import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress

import numpy as np
import pytest
import yaml

from prometheus.alerts import ALERTING
from prometheus.recording import RECORDING
from tests.scraped import served
from tests.service import service
from tests.test_dashboards import PAGES, asked, every_page, every_panel, expressions

CHOSEN = {"baseline": "pinned|uploaded", "window": "1h", "__rate_interval": "5m"}
"""What a fresh dashboard has its variables at; all of everything else."""

EMPTY = {
    "embedding_exporter_state_last_success_timestamp_seconds": "the exporter of the test keeps no state",
    'alertstate="firing"': "nothing fires within seconds; the table beside shows what waits, too",
}
"""Queries that may be empty here: what they contain, and why."""

DEADLINE_SECONDS = 30.0
"""For the slowest machine; usually all is there after six seconds."""
MODEL = "e5"
PAGES_SERVED = 5


def events(rng, n, version, *, scale=1.0, now=0.0):
    """Queries with all that an event may carry."""
    made = []
    for number in range(n):
        asked_for = int(rng.integers(40))
        direction = np.random.default_rng(asked_for).normal(size=8)
        vector = direction / np.linalg.norm(direction) * scale * (1 + 0.01 * np.sin(asked_for))
        scores = sorted(rng.beta(8, 4, size=5).tolist(), reverse=True)
        made.append(
            {
                "model": MODEL,
                "model_version": version,
                "tokenizer_version": "1",
                "timestamp": now,
                "embedding": vector.tolist(),
                "scores": scores,
                "ids": [f"doc-{each}" for each in rng.choice(60, 5, replace=False)],
                "relevant": [f"doc-{int(rng.integers(60))}"] if number % 3 == 0 else None,
                "outcome": {"success": bool(scores[0] > 0.7), "clicked": number % 2 == 0, "no_answer": False},
                "latency_seconds": float(rng.gamma(2, 0.02)),
                "input_hash": f"query {asked_for}",
                "labels": {"locale": "de" if number % 4 == 0 else "en"},
                "query_id": f"{version}-{now}-{number}",
            }
        )
        if made[-1]["relevant"] is None:
            del made[-1]["relevant"]
    made += [
        {key: event[key] for key in ("model", "model_version", "tokenizer_version", "timestamp", "embedding")}
        | {"kind": "document"}
        for event in made
    ]
    other = {"model": MODEL, "model_version": version, "tokenizer_version": "1", "timestamp": now}
    poor = {"scores": [0.05], "embedding": made[0]["embedding"], "labels": {"locale": "de"}}
    return [*made, *(other | odd for odd in ({"error": "timeout"}, {"embedding": [0] * 8}, {"result_count": 0}, poor))]


def lifecycle(now):
    """A roll-out, a canary taken back, reindexes, documents, and maintenance."""
    rollout = {"type": "deployment", "model": MODEL, "tokenizer_version": "1"}
    index = {"model": MODEL, "index": "products"}
    return [
        rollout | {"status": "started", "model_version": "3"},
        rollout | {"status": "finished", "model_version": "3"},
        rollout | {"status": "started", "model_version": "3", "track": "canary", "deployment": f"a {now}"},
        rollout | {"status": "rolled_back", "model_version": "3", "track": "canary", "deployment": f"a {now}"},
        {"type": "reindex", "status": "started", **index},
        {"type": "reindex", "status": "progress", "progress": 0.4, **index},
        {"type": "documents", "status": "ingested", "ids": [f"new {now} {n}" for n in range(20)], **index},
        {"type": "documents", "status": "indexed", "ids": [f"new {now} {n}" for n in range(20)], **index},
        {"type": "documents", "status": "withdrawn", "model": MODEL, "ids": ["doc-1"]},
        {"type": "maintenance", "status": "begin", "model": "another"},
    ]


def scrapes():
    """What /metrics says in the minutes after two versions had an hour each to learn, and lost their normalisation."""
    rng = np.random.default_rng(7)
    with service(slice_labels=("locale",), baseline_min_events=500, baseline_duration_seconds=3600.0) as running:
        running.clock.advance(time.time() - 2 * 3600 - running.clock.now())
        pages = []
        for minute in range(120 + PAGES_SERVED):
            now = running.clock.advance(60)
            scale = 1.3 if minute > 90 else 1.0
            for version in ("2", "3"):
                reply = running.post(events(rng, 10, version, scale=scale, now=now))
                assert 202 == reply.status
            if minute % 10 == 0 or minute >= 119:
                running.post(lifecycle(now), path="/v1/lifecycle")
                running.tick()
            if minute >= 120:
                pages.append(running.get("/metrics").body)
        return pages


@pytest.fixture(scope="module")
def target():
    """A port where an exporter answers with the next of its minutes each time, and the last one for ever."""
    with served(scrapes()) as address:
        yield address


def history(now):
    """The recorded series of which bands and rates of thirty days are made, as they were hours ago."""
    place = f'job="embedding-drift-exporter",model="{MODEL}"'
    version = f'{place},model_version="2",tokenizer_version="1",kind="query"'
    known = {
        f"version:embedding_top1_similarity:p50_rate1h{{{version}}}": 0.7,
        f'model:embedding_query_latency_seconds:p95_rate1h{{{place},kind="query"}}': 0.05,
        f"version:embedding_top1_similarity:abs_deviation{{{version}}}": 0.01,
        f"version:embedding_recall_at_10:rate5m{{{version}}}": 0.8,
        f"version:embedding_labelled_queries:rate5m{{{version}}}": 1.0,
        f'model:embedding_canary_deployments:increase1h{{{place},result="rolled_back"}}': 1.0,
    }
    for series, value in known.items():
        for at in np.arange(now - 25 * 3600, now - 600, 120):
            yield f"{series} {value} {at:.0f}"
    yield "# EOF\n"


@pytest.fixture(scope="module")
def ask(target, prometheus, promtool, tmp_path_factory):
    """A function that asks a Prometheus with our rules, which scrapes the exporter twice a second."""
    directory = tmp_path_factory.mktemp("dashboards")
    past = directory / "past"
    past.write_text("\n".join(history(time.time())))
    data = directory / "data"
    create = [promtool, "tsdb", "create-blocks-from", "openmetrics", past, data]
    subprocess.run(create, check=True, capture_output=True)
    groups = [{**group.rendered(), "interval": "500ms"} for group in (*RECORDING, *ALERTING)]
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    configuration = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "embedding-drift-exporter", "static_configs": [{"targets": [target]}]}],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        prometheus,
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address={address}",
    ]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for_all(f"http://{address}", process)
        yield lambda expression: query(f"http://{address}", expression)
    finally:
        process.kill()
        process.wait()


def query(url, expression):
    """The result of an instant query, empty where there is none; what Prometheus does not understand fails."""
    asking = urllib.parse.urlencode({"query": filled(expression)})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{asking}", timeout=10) as reply:
            return json.load(reply)["data"]["result"]
    except urllib.error.HTTPError as error:
        if error.code == 503:
            return []
        pytest.fail(f"{expression}\n{error.read().decode()}")


def wait_for_all(url, process):
    """Until every query that is to be answered has been, once; tests say of what is late what it was."""
    waiting = {each for page in PAGES.values() for each in asked(page) if not excused(each)}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while waiting and time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            waiting = {expression for expression in waiting if not query(url, expression)}
        time.sleep(0.2)


def filled(expression):
    """As Grafana asks it, with every variable at its first value."""
    return re.sub(r"\$(\w+)", lambda name: CHOSEN.get(name[1], ".*"), expression)


def excused(expression):
    return any(part in expression for part in EMPTY)


@every_panel
def test_a_panel_is_not_empty(ask, panel):
    """Each of its queries is understood and answered; those that may be empty here are listed with the reason."""
    answers = {expression: ask(expression) for expression in expressions(panel)}

    assert [expression for expression, found in answers.items() if not found and not excused(expression)] == []


@every_page
def test_marks_and_variables_find_something(ask, page):
    """The same of annotations, and of what variables are read from."""
    beside = {**page, "panels": []}

    assert [expression for expression in asked(beside) if not ask(expression) and not excused(expression)] == []


def test_no_excuse_is_left_over(ask):
    """What may be empty is asked for, and some of it is empty indeed."""
    every = {expression for page in PAGES.values() for expression in asked(page)}

    for part in EMPTY:
        assert [expression for expression in every if part in expression and not ask(expression)], part
