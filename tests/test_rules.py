"""The rules that ship: in step with their tables, true to the catalogue, and silent where they must be."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from prometheus import build
from prometheus.alerts import ALERTS
from prometheus.families import LABELS
from prometheus.recording import RECORDING
from prometheus.scenarios import SCENARIOS

ROOT = Path(__file__).parents[1]
RULES = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
RECORDS = [rule for group in RECORDING for rule in group.rules]

WORDS = {"and", "or", "unless", "on", "ignoring", "group_left", "by", "without", "offset", "bool"} | {
    *("sum", "min", "max", "count", "topk", "abs", "absent", "clamp_min", "histogram_quantile", "increase", "rate"),
    *("avg_over_time", "max_over_time", "quantile_over_time", "sum_over_time", "time", "vector"),
}
"""What expressions may consist of beside metrics, labels and numbers: all of it is in Prometheus 2.42 and in 3."""

PROMETHEUS_OWN = {
    *("ALERTS", "scrape_samples_scraped"),
    *("prometheus_notifications_alertmanagers_discovered", "prometheus_notifications_errors_total"),
}
"""What Prometheus has by itself."""

ADDED = {"job", "instance", "namespace", "pod"}
"""Labels of targets."""

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.severity}-{alert.wait}")
every_rule = pytest.mark.parametrize(
    "rule", [*RECORDS, *ALERTS], ids=lambda rule: f"{rule.name}-{'-'.join(rule.labels.values())}"
)


def expression(rule):
    return getattr(rule, "full_expr", rule.expr)


def selectors(text):
    """Every metric of an expression, with the labels that it is selected by."""
    bare = re.sub(r'"[^"]*"', '""', text)
    for name, matchers in re.findall(r"(?<![\w:])([a-z_]\w*(?::\w+)*)\s*(\{[^}]*\})?(?!\s*\()", bare):
        if name not in WORDS and (name in LABELS or "embedding" in name or ":" in name or matchers):
            yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))


def recorded_labels():
    """Labels that recorded series can have: those of what they are made from, and their own."""
    known = {}
    for rule in RECORDS:
        made_from = [LABELS[name] if name in LABELS else known[name] for name, _ in selectors(rule.expr)]
        known[rule.name] = known.get(rule.name, set()) | set(rule.labels) | {x for labels in made_from for x in labels}
    return known


def test_generated_files_are_in_step_with_their_tables():
    """What stands in prometheus/rules and prometheus/tests is what the tables say, and nothing else stands there."""
    made = build.files()
    there = {*RULES, *(ROOT / "prometheus" / "tests").glob("*")}

    assert set(made) == there
    assert [path.name for path, text in made.items() if path.read_text() != text] == []


def test_a_file_that_is_not_in_step_is_named(tmp_path, monkeypatch, capsys):
    """`--check` fails and says what to run; without it the file is written."""
    behind = tmp_path / "rules.yml"
    monkeypatch.setattr(build, "files", lambda: {behind: "groups: []\n"})
    monkeypatch.setattr(build, "HERE", tmp_path / "prometheus")

    assert (1, False) == (build.main(["--check"]), behind.exists())
    assert "rules.yml is not in step: python -m prometheus.build" in capsys.readouterr().err
    assert (0, "groups: []\n") == (build.main([]), behind.read_text())
    assert 0 == build.main(["--check"])
    assert 2 == build.main(["--chekc"])


def test_promtool_finds_nothing_to_say(promtool):
    """Syntax, templates, duplicates and the configuration that loads them: lint is fatal."""
    lint = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *RULES], capture_output=True, text=True, check=False
    )
    config = subprocess.run(
        [promtool, "check", "config", ROOT / "prometheus" / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == lint.returncode, lint.stdout + lint.stderr
    assert 0 == config.returncode, config.stdout + config.stderr
    assert 2 == config.stdout.count("rules found")


@pytest.mark.parametrize("suite", build.suites())
def test_alerts_fire_when_they_must_and_only_then(promtool, suite):
    """promtool's tests: fires, not yet, not in maintenance, on too few events, on NaN, on absence, on a restart."""
    file = ROOT / "prometheus" / "tests" / f"{suite}.yml"

    tested = subprocess.run(
        [promtool, "test", "rules", file.name], cwd=file.parent, capture_output=True, text=True, check=False
    )

    assert 0 == tested.returncode, tested.stdout + tested.stderr


@every_alert
def test_every_rule_has_a_scenario(alert):
    """Each rule of each alert is seen to fire, and seen not to."""
    scenarios = [scenario for scenario in SCENARIOS if scenario.rule is alert]

    assert scenarios
    for scenario in scenarios:
        assert alert.wait == "0s" or scenario.not_yet is not None


@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in SCENARIOS if scenario.about and scenario.given != {"up": None}],
    ids=lambda scenario: f"{scenario.alert}-{scenario.fires}",
)
def test_a_scenario_has_every_variant_that_applies(scenario):
    """NaN and absence for all, too few events where events are counted, a restart where counters are read."""
    variants = set(scenario.variants)
    counters = [name for name in scenario.given if re.search(r"_(total|bucket)\b", name)]
    # At least so many, in the rule or in the scores that it reads.
    gated = re.search(r">= \d|- 0\.5|embedding_drift_score:", scenario.rule.expr)

    assert {"nan", "absent"} <= variants
    assert (scenario.rule.quiet is not None) == ("in_maintenance" in variants)
    assert not counters or "restarted" in variants
    assert not gated or any(variant.startswith("too_few") for variant in variants)


@every_rule
def test_an_expression_reads_what_is_exported_or_promised(rule):
    """Every metric is in the catalogue, promised, or recorded; every label that it is selected by is one of its own."""
    known = recorded_labels()
    for name, labels in selectors(expression(rule)):
        assert name in LABELS or name in known, name
        assert labels <= {*(LABELS[name] if name in LABELS else known[name]), *ADDED}, name


@every_rule
def test_an_expression_groups_and_matches_by_labels_that_exist(rule):
    """In by, without, on, ignoring and group_left: a label that nothing has is a slip."""
    every = {label for labels in LABELS.values() for label in labels} | {"effect", "gate", "threshold"} | ADDED
    lists = re.findall(r"\b(?:by|without|on|ignoring|group_left)\s*\(([^)]*)\)", expression(rule))

    assert {label.strip() for each in lists for label in each.split(",")} - {""} <= every


@every_rule
def test_an_expression_is_of_every_prometheus_since_2_42(rule):
    """Only functions that 2.42 and 3.x both have, and no bucket matched by a bound that 3.x writes otherwise."""
    called = set(re.findall(r"\b([a-z_]\w*)\s*\(", re.sub(r'"[^"]*"', '""', expression(rule))))

    assert called <= WORDS
    assert not re.search(r"\ble\s*=", expression(rule))


@every_rule
def test_nothing_averages_quantiles(rule):
    """Neither the exporter's quantiles nor recorded ones are summed or averaged; buckets are summed, then asked."""
    assert "_quantile{" not in expression(rule)
    for inner in re.findall(r"\b(?:sum|avg|avg_over_time|sum_over_time)\b[^(]*\(([^()]*)", expression(rule)):
        assert not re.search(r":p\d\d_|:median", inner)


def test_recorded_names_say_level_metric_and_operations():
    """As Prometheus' own guide has it, and no two rules record the same."""
    assert [
        rule.name
        for rule in RECORDS
        if not re.fullmatch(r"(global|series|version|model|index|slice):embedding_\w+:\w+", rule.name)
    ] == []
    assert [key for key, n in Counter((r.name, *r.labels.items()) for r in RECORDS).items() if n > 1] == []
