"""Clients and servers that use different tokenizers: told by the slice label `source`."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from app.evaluate.sources import MINIMUM_EVENTS
from tests.service import event, service

PAGE = Path(__file__).parents[1] / "docs" / "lifecycle.md"


@pytest.fixture
def served():
    with service(slice_labels=("source",)) as made:
        yield made


def send(served, n, source, tokenizer, **fields):
    labels = {"source": source} if source else {}
    assert 202 == served.post([event(labels=labels, tokenizer_version=tokenizer, **fields)] * n).status


def told(served):
    """Model, kind, source and tokenizer version of every sample."""
    served.tick()
    return {
        tuple(dict(labels)[name] for name in ("model", "kind", "source", "tokenizer_version"))
        for (name, *labels), value in served.samples().items()
        if name == "embedding_source_tokenizer_info" and value == 1
    }


def test_each_source_has_the_tokenizer_of_most_of_its_events(served):
    """Over the series of all versions; few events, and those without a source, say nothing."""
    send(served, MINIMUM_EVENTS, "client", "1")
    send(served, MINIMUM_EVENTS - 1, "client", "2")
    send(served, MINIMUM_EVENTS, "server", "2")
    send(served, MINIMUM_EVENTS, "batch", "1", kind="document")
    send(served, MINIMUM_EVENTS - 1, "laptop", "9")
    send(served, 500, None, "7")

    assert {
        ("e5", "query", "client", "1"),
        ("e5", "query", "server", "2"),
        ("e5", "document", "batch", "1"),
    } == told(served)


def test_an_hour_after_its_upgrade_the_client_agrees_again(served):
    """What counts is the last hour."""
    send(served, 5 * MINIMUM_EVENTS, "client", "1")
    send(served, MINIMUM_EVENTS, "server", "2")
    assert 2 == len({version for *_, version in told(served)})
    served.clock.advance(2 * 3600)
    for source in ("client", "server"):
        send(served, MINIMUM_EVENTS, source, "2")

    assert {("e5", "query", "client", "2"), ("e5", "query", "server", "2")} == told(served)


def test_without_the_slice_label_there_is_none():
    """The label is ignored, and counted as such."""
    with service() as served:
        send(served, MINIMUM_EVENTS, "client", "1")

        assert set() == told(served)


def test_the_query_of_the_page_counts_the_versions_of_a_model(promtool, tmp_path):
    """Two for the model whose client and server differ, one for the other."""
    page = PAGE.read_text(encoding="utf-8")
    (query,) = re.findall(r"```promql\n(count by[^`]*source_tokenizer_info[^`]*)```", page)
    sources = [
        ("e5", "client", "1"),
        ("e5", "server", "2"),
        ("e5", "batch", "2"),
        ("bge", "client", "3"),
        ("bge", "server", "3"),
    ]
    series = [
        {
            "series": f'embedding_source_tokenizer_info{{model="{model}",kind="query",source="{source}",'
            f'tokenizer_version="{version}"}}',
            "values": "1x5",
        }
        for model, source, version in sources
    ]
    expected = [
        {"labels": f'{{model="{model}", kind="query"}}', "value": count} for model, count in (("bge", 1), ("e5", 2))
    ]
    asked = {"expr": query, "eval_time": "5m", "exp_samples": expected}
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": [asked]}]
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": tests}))

    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr
