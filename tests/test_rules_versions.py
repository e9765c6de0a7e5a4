"""What ships runs on Prometheus 2.42 and on 3.x, with Alertmanager 0.25 and later: nothing is used that only one has.

Debian's are 2.42 and 0.25, and tests elsewhere run them. There is no 3.x here, so what it took away, renamed or reads
otherwise is forbidden: https://prometheus.io/docs/prometheus/3.0/migration/.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

from prometheus.alerts import ALERTING
from prometheus.recording import RECORDING
from prometheus.stack import alertmanager_command, prometheus_command
from prometheus.thresholds import seconds

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "prometheus"
GROUPS = [*RECORDING, *ALERTING]
SCRAPE_SECONDS, EVALUATION_SECONDS = 15, 30

FUNCTIONS = {
    *(
        "abs",
        "absent",
        "ceil",
        "clamp_max",
        "clamp_min",
        "floor",
        "round",
        "scalar",
        "sgn",
        "sort",
        "sort_desc",
        "time",
    ),
    *("avg", "bottomk", "count", "group", "max", "min", "quantile", "stddev", "sum", "topk", "vector"),
    *("avg_over_time", "count_over_time", "last_over_time", "max_over_time", "min_over_time", "quantile_over_time"),
    *("sum_over_time", "stddev_over_time", "absent_over_time", "present_over_time"),
    *("changes", "delta", "deriv", "increase", "irate", "predict_linear", "rate", "resets"),
    *("histogram_quantile", "label_join", "label_replace", "day_of_week", "hour"),
}
"""In both, and stable in both. Not holt_winters (gone in 3.0) nor double_exponential_smoothing (not in 2.42), nor
mad_over_time, info, limitk, sort_by_label, histogram_avg (not in 2.42)."""

KEYWORDS = {"and", "or", "unless", "on", "ignoring", "group_left", "group_right", "by", "without", "offset", "bool"}
SETTINGS = {
    *("global", "rule_files", "alerting", "scrape_configs", "scrape_interval", "evaluation_interval"),
    *("alertmanagers", "static_configs", "targets", "job_name"),
    *("sample_limit", "label_limit", "label_value_length_limit", "body_size_limit"),
}
"""Keys of prometheus.yml that both read alike."""

FLAGS = {"--config.file", "--storage.tsdb.path", "--web.listen-address", "--web.external-url", "--log.level"}
ALERTMANAGER_FLAGS = {"--config.file", "--storage.path", "--cluster.listen-address"} | FLAGS - {"--storage.tsdb.path"}


def queries():
    """Every expression that ships, by where it stands."""
    for group in GROUPS:
        for rule in group.rules:
            yield f"{group.name}: {rule.name}", rule.rendered()["expr"]
    for path in sorted((ROOT / "grafana").rglob("*.json")):
        for expression in re.findall(r'"expr": "((?:[^"\\]|\\.)*)"', path.read_text()):
            yield path.name, json.loads(f'"{expression}"')
    for path in (*sorted((ROOT / "docs" / "runbooks").glob("*.md")), SHIPPED / "README.md"):
        for expression in re.findall(r"```promql\n\s*(.*?)\n\s*```", path.read_text()):
            yield path.name, expression


QUERIES = sorted(set(queries()))


def code(expression):
    """Without comments and what stands in quotes."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', re.sub(r"# .*$", "", expression, flags=re.MULTILINE))


def keys(content):
    """Every key of a YAML document, at any depth."""
    if isinstance(content, dict):
        return set(content) | {key for value in content.values() for key in keys(value)}
    if isinstance(content, list):
        return {key for value in content for key in keys(value)}
    return set()


def test_no_query_calls_what_only_one_has():
    """Rules, dashboards, runbooks, README."""
    called = {
        (where, name)
        for where, expression in QUERIES
        for name in re.findall(r"\b([a-z_]\w*)\s*\(", code(expression))
        if name not in FUNCTIONS | KEYWORDS
    }

    assert len(QUERIES) > 300
    assert set() == called


def test_no_bound_of_a_bucket_is_written_as_only_one_keeps_it():
    """3.x stores le="1" as le="1.0", and a quantile alike: a matcher on either spelling finds nothing in the other."""
    written = {
        (where, value)
        for where, expression in QUERIES
        for value in re.findall(r'\b(?:le|quantile)\s*[=!]~?\s*"([^"]*)"', expression)
        if value != "+Inf"
    }

    assert set() == written


def test_no_query_uses_new_syntax():
    """Quoted names of metrics (3.0), durations as numbers or in arithmetic (3.x), modifiers of experiments."""
    for where, expression in QUERIES:
        bare = code(expression)
        assert not re.search(r'\{\s*""\s*[,}]', bare), where
        assert not re.search(r"(?<![\w\[:.$])\d+[smhdw]\b(?![\]:])", re.sub(r"offset \d+[smhdw]", "", bare)), where
        assert not re.search(r"@|\b(?:anchored|smoothed|start|end)\b", bare), where


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_a_range_has_slack(group):
    """3.0 leaves out a sample at the left end of a range: none is so short that one sample more or less decides."""
    for rule in group.rules:
        for name, length in re.findall(r"([\w:]+)(?:\{[^}]*\})?\[(\d+[smhdw])\]", code(rule.rendered()["expr"])):
            every = 120 if ":" in name else SCRAPE_SECONDS
            assert seconds(length) >= (2.5 if ":" in name else 4) * every, (rule.name, name, length)


def test_a_subquery_has_so_many_steps_that_one_does_not_matter():
    """Its first step is left out by 3.0 where it falls on the left end."""
    steps = [
        seconds(length) / seconds(step)
        for _, expression in QUERIES
        for length, step in re.findall(r"\[(\d+[smhdw]):(\d+[smhdw])\]", code(expression))
    ]

    assert steps
    assert min(steps) >= 100


def test_prometheus_is_configured_and_started_alike():
    """No key that 3.x renamed (scrape_classic_histograms) or 2.42 has not; no flag that either lacks."""
    configuration = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    assert keys(configuration) <= SETTINGS
    assert f"{SCRAPE_SECONDS}s" == configuration["global"]["scrape_interval"]
    assert f"{EVALUATION_SECONDS}s" == configuration["global"]["evaluation_interval"]
    for service, by_hand, flags in (
        ("prometheus", prometheus_command, FLAGS),
        ("alertmanager", alertmanager_command, ALERTMANAGER_FLAGS),
    ):
        started = [*compose[service]["command"], *by_hand("program", Path("/a"), Path("/b"), "127.0.0.1:1")[1:]]
        assert {flag.partition("=")[0] for flag in started} <= flags
        assert service in compose[service]["image"]


def test_matchers_of_alertmanager_mean_the_same_to_both_of_its_parsers():
    """0.27 brought another one: quoted values and plain names are read alike. match is on its way out."""
    text = (SHIPPED / "alertmanager.yml").read_text()
    configuration = yaml.safe_load(text)
    matchers = [
        matcher
        for part in (*configuration["route"]["routes"], *configuration["inhibit_rules"])
        for key in ("matchers", "source_matchers", "target_matchers")
        for matcher in part.get(key, [])
    ]

    assert len(matchers) > 10
    assert [] == [each for each in matchers if not re.fullmatch(r'[a-z_]+(=|!=|=~|!~)"[^"]*"', each)]
    assert not keys(configuration) & {
        "match",
        "match_re",
        "source_match",
        "source_match_re",
        "target_match",
        "url_file",
    }
