"""The rules that ship: in step with their tables, true to the catalogue, and silent where they must be."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from app.drift.gates import GATES
from bench.detection import rules as simulated
from prometheus import build
from prometheus.alerts import ALERTING, ALERTS
from prometheus.families import LABELS
from prometheus.recording import RECORDING
from prometheus.scenarios import SCENARIOS
from prometheus.thresholds import LIMITS, OBJECTIVES, seconds

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


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_burn_rate_can_be_reached(name):
    """Factor x budget is below 1: more than every query cannot be bad. Pages burn faster than tickets."""
    objective = OBJECTIVES[name]

    assert all(0 < burn.factor * objective.budget < 1 for burn in objective.burns)
    assert all(seconds(burn.short) * 4 <= seconds(burn.long) for burn in objective.burns)
    factors = {
        severity: [b.factor for b in objective.burns if b.severity == severity] for severity in ("critical", "warning")
    }
    assert min(factors["critical"]) > max(factors["warning"])
    assert 2 in factors["warning"]


def test_gates_are_those_of_the_diagnosis():
    """Recorded gates are app.drift's, so that what the exporter says and what pages cannot differ."""
    recorded = {
        (rule.labels["effect"], rule.labels["gate"]): rule.expr
        for rule in RECORDS
        if rule.name == "global:embedding_effect_gate:value"
    }

    assert recorded == {
        (gate.effect, severity): f"vector({value:g})"
        for gate in GATES
        for severity, value in (("ticket", gate.ticket), ("page", gate.page))
    }
    effects = {rule.labels["effect"] for rule in RECORDS if rule.name == "series:embedding_effect:abs"}
    assert effects == {gate.effect for gate in GATES}
    vouching = {
        rule.labels["effect"]: tuple(re.search(r'statistic=~"([\w|]+)"', rule.expr)[1].split("|"))
        for rule in RECORDS
        if rule.name == "series:embedding_effect_score:max"
    }
    assert vouching == {gate.effect: gate.statistics for gate in GATES}


def test_waits_are_those_that_were_simulated():
    """Windows and waits of severe and detected drift are those of bench/detection, and a page on 5m for 30m beside."""
    shipped = {
        (alert.severity, alert.labels["window"], seconds(alert.wait))
        for alert in ALERTS
        if alert.name in {"EmbeddingDriftSevere", "EmbeddingDriftDetected"}
    }
    severity = {"page": "critical", "ticket": "warning"}
    measured = {(severity[rule.severity], rule.window, rule.for_seconds) for rule in simulated.RULES if rule.shipped}

    assert shipped == measured | {("critical", "5m", 1800)}
    assert LIMITS["provisional_changed_share"] == simulated.PROVISIONAL["changed_share_lower_bound"]


def test_every_threshold_is_used():
    """A number in thresholds.yml that no rule reads would be turned in vain."""
    source = "".join(path.read_text() for path in (ROOT / "prometheus").rglob("*.py"))

    assert [name for name in LIMITS if f'"{name}"' not in source.replace("'", '"')] == []


@every_alert
def test_a_drift_alert_asks_for_score_events_and_baseline(alert):
    """What scores against a baseline: the score is supported by events, and pages want a final baseline."""
    if "drift_score" not in alert.expr:
        return
    assert re.search(r":supported|:max|document_distance", alert.expr)
    assert "embedding_baseline_state" in alert.expr
    if alert.severity == "critical":
        assert 'state="final"' in alert.expr
        assert "provisional" not in alert.expr


@every_alert
def test_an_alert_tells_what_a_reader_needs(alert):
    """A static headline, numbers in the description, and links; severities are those that are routed."""
    assert re.fullmatch(r"EmbeddingDrift[A-Z]\w+", alert.name)
    assert alert.severity in {"critical", "warning", "none"}
    assert re.fullmatch(r"[A-Z][^{}]*\.", alert.summary)
    assert alert.description.endswith((".", "{{ end }}"))
    assert alert.severity == "none" or "{{" in alert.description
    assert alert.runbook_url.endswith(alert.name)
    assert alert.severity == "none" or seconds(alert.wait) >= 120
    assert len({each.summary for each in ALERTS if each.name == alert.name}) == 1


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    """docs/runbooks has a page of the name of each alert, and no other."""
    assert {alert.name for alert in ALERTS} == {page.stem for page in RUNBOOKS}


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_leads_from_the_page_to_the_mend(page):
    """Its headings are those of every runbook, and its queries ask for what exists."""
    text = page.read_text()
    known = recorded_labels()
    queries = re.findall(r"```promql\n\s*(.*?)\n\s*```", text)

    assert re.findall(r"^#+ .*$", text, re.MULTILINE) == [
        f"# {page.stem}",
        "## Meaning",
        "## Impact",
        "## Diagnosis",
        "## Mitigation",
    ]
    assert queries
    for query in queries:
        for name, labels in selectors(query):
            if name in PROMETHEUS_OWN:
                continue
            assert name in LABELS or name in known, name
            assert labels <= {*(LABELS[name] if name in LABELS else known[name]), *ADDED}, name


def test_queries_of_runbooks_and_readme_are_promql(promtool, tmp_path):
    """promtool reads every one of them as a rule."""
    queries = [query for page in RUNBOOKS for query in re.findall(r"```promql\n\s*(.*?)\n\s*```", page.read_text())]
    table = (ROOT / "prometheus" / "README.md").read_text().partition("| question | PromQL |")[2]
    queries += re.findall(r"\| `(.*)` \|$", table, re.MULTILINE)
    rules = [{"record": f"query:number_{number}:asked", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    checked = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)

    assert len(queries) > 90
    assert 0 == checked.returncode, checked.stderr


def test_groups_are_what_promtool_orders():
    """Names of groups are kebab-case with what they hold, once each."""
    names = [group.name for group in (*RECORDING, *ALERTING)]

    assert [name for name in names if not re.fullmatch(r"embedding-drift-[a-z-]+\.(rules|alerts)", name)] == []
    assert len(names) == len(set(names))
