"""The dashboards that ship: in step with their tables, as dashboard-linter wants them, and true to the catalogue."""

import json
import re

import pytest
import yaml

from grafana import build
from grafana.boards import BOARDS
from grafana.dashboard import TAG
from prometheus.alerts import ALERTING
from prometheus.families import LABELS
from prometheus.thresholds import DASHBOARD, OBJECTIVES, RUNBOOK
from tests.service import service
from tests.test_rules import WORDS, recorded_labels, selectors

PAGES = {path: json.loads(path.read_text()) for path in sorted((build.HERE / "dashboards").glob("*.json"))}
OPTIONAL = {path: json.loads(path.read_text()) for path in sorted((build.HERE / "optional").glob("*.json"))}
"""Of other data sources than Prometheus, which are not at hand here."""
PANELS = [(path.stem, panel) for path, page in PAGES.items() for panel in page["panels"] if panel["type"] != "row"]

BY_PROMETHEUS = {
    "alerts": {"alertname", "alertstate", "severity", "model", "model_version", "kind", "window"},
    "alerts_for_state": {"alertname", "severity", "model", "model_version"},
    "scrape_duration_seconds": set(),
    "scrape_samples_scraped": set(),
}
"""What Prometheus makes by itself, and the labels of it that are asked for."""

VARIABLES = ("datasource", "job", "instance", "model", "model_version", "baseline", "window")
UNITS = {"none", "short", "percentunit", "s", "bytes", "reqps", "eps", "ops", "dateTimeAsIso", "dateTimeFromNow"}
"""Of Grafana's units those that are used."""

every_page = pytest.mark.parametrize("page", PAGES.values(), ids=[path.stem for path in PAGES])
every_panel = pytest.mark.parametrize(
    "panel", [panel for _, panel in PANELS], ids=[f"{page}-{panel['title']}" for page, panel in PANELS]
)


def expressions(panel):
    return [target["expr"] for target in panel["targets"]]


def metrics(expression):
    """Every metric of an expression, with the labels that it is selected by."""
    lowered = re.sub(r"\bALERTS\w*", lambda found: found[0].lower(), expression)
    return list(selectors(lowered.replace("$__rate_interval", "5m")))


def asked(page):
    """Every expression of a dashboard: of panels, of annotations, and what variables are read from."""
    yield from (expression for panel in page["panels"] for expression in expressions({"targets": [], **panel}))
    yield from (mark["expr"] for mark in page["annotations"]["list"])
    for variable in page["templating"]["list"]:
        if variable["type"] == "query":
            yield re.fullmatch(r"label_values\((.*), \w+\)", variable["definition"])[1]


# --- generated -----------------------------------------------------------------------------------------------------


def test_generated_files_are_in_step_with_their_tables():
    """What stands in grafana/dashboards and grafana/optional is what the tables say, and nothing else stands there."""
    made = build.files()

    assert set(made) == {*PAGES, *OPTIONAL}
    assert [path.name for path, text in made.items() if path.read_text() != text] == []


def test_a_dashboard_that_is_not_in_step_is_named(tmp_path, monkeypatch, capsys):
    """`--check` fails and says what to run; without it the file is written."""
    behind = tmp_path / "debug.json"
    monkeypatch.setattr(build, "files", lambda: {behind: "{}\n"})
    monkeypatch.setattr(build, "HERE", tmp_path / "grafana")

    assert (1, False) == (build.main(["--check"]), behind.exists())
    assert "debug.json is not in step: python -m grafana.build" in capsys.readouterr().err
    assert (0, "{}\n") == (build.main([]), behind.read_text())
    assert 0 == build.main(["--check"])
    assert 2 == build.main(["--chekc"])


def test_alerts_lead_to_dashboards_that_exist():
    """The uids of dashboard_url, and of links from panel to dashboard, are those of the dashboards."""
    uids = {board.uid for board in BOARDS}
    alerts = {DASHBOARD.format(dashboard=alert.dashboard) for group in ALERTING for alert in group.rules}
    linked = re.findall(r"/d/([\w-]+)", json.dumps(list(PAGES.values())))

    assert {url.rpartition("/")[2] for url in alerts} | set(linked) <= uids
    assert linked


def test_the_table_of_alerts_leads_to_their_runbooks():
    """The same address as runbook_url, with the name of the row."""
    tables = [panel for _, panel in PANELS if panel["title"] == "Alerts"]

    assert tables
    assert all(RUNBOOK.format(alert="${__value.raw}") in json.dumps(panel) for panel in tables)


# --- the rules of grafana/dashboard-linter ---------------------------------------------------------------------------


@every_page
def test_a_dashboard_can_be_provisioned(page):
    """Read-only, with a stable uid and without an id, as classic JSON that Grafana 9 to 13 reads."""
    assert page["editable"] is False
    assert page["id"] is None
    assert re.fullmatch(rf"{TAG}-[a-z-]{{1,30}}", page["uid"])
    assert 39 <= page["schemaVersion"] <= 41
    assert "__inputs" not in page
    assert page["description"].endswith(".")
    assert len({board.title for board in BOARDS}) == len(BOARDS) == len(PAGES)


@every_page
def test_a_dashboard_has_the_variables_of_all(page):
    """datasource, job and instance as the linter wants them; every one in each, so that links carry them on."""
    variables = {variable["name"]: variable for variable in page["templating"]["list"]}

    assert tuple(variables) == VARIABLES
    assert ("datasource", "prometheus", "Data source") == tuple(
        variables["datasource"][key] for key in ("type", "query", "label")
    )
    for name, label in (("job", "Job"), ("instance", "Instance")):
        variable = variables[name]
        assert ("query", label, True, True, ".+") == tuple(
            variable[key] for key in ("type", "label", "multi", "includeAll", "allValue")
        )
    for variable in variables.values():
        if variable["type"] == "query":
            assert 2 == variable["refresh"]
            assert "${datasource}" == variable["datasource"]["uid"]


@every_page
def test_a_variable_is_shown_where_a_query_reads_it(page):
    """One that nothing reads would be turned in vain: it is hidden, and there for the links."""
    text = " ".join(asked({**page, "templating": {"list": []}}))

    for variable in page["templating"]["list"]:
        used = variable["type"] == "datasource" or re.search(rf'"\${variable["name"]}"', text) is not None
        assert (0 if used else 2) == variable["hide"], variable["name"]


@every_page
def test_links_keep_the_time_and_the_variables(page):
    """From each dashboard to all others."""
    (link,) = page["links"]

    assert (["embedding-drift"], True, True) == (link["tags"], link["keepTime"], link["includeVars"])
    assert TAG in page["tags"]


@every_page
def test_panels_stand_beside_each_other(page):
    """Numbered once each, within 24 columns, and none over another."""
    taken = set()
    for panel in page["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in page["panels"]]
    assert len(numbers) == len(set(numbers))


@every_page
def test_titles_tell_panels_apart(page):
    """A runbook names a panel by its title."""
    titles = [panel["title"] for panel in page["panels"] if panel["type"] != "row"]

    assert len(titles) == len(set(titles))


@every_panel
def test_a_panel_says_what_it_is_and_how_to_read_it(panel):
    """Title, a description of a sentence or more, a unit, at least one query, and the data source of the variable."""
    unit = panel["fieldConfig"]["defaults"].get("unit")

    assert panel["title"]
    assert re.fullmatch(r"[^{}]{30,}\.", panel["description"], re.DOTALL)
    assert unit in UNITS
    assert panel["targets"]
    for holder in (panel, *panel["targets"]):
        assert {"type": "prometheus", "uid": "${datasource}"} == holder["datasource"]
    letters = [target["refId"] for target in panel["targets"]]
    assert len(letters) == len(set(letters))


@every_panel
def test_a_panel_selects_by_job_and_instance(panel):
    """By instance, too, where there is one: what is recorded over replicas has none, nor have alerts and thresholds."""
    known = recorded_labels()
    for expression in expressions(panel):
        for name, _ in metrics(expression):
            matched = set(re.findall(rf'(?i:{name})\{{[^}}]*?\bjob=~"\$job"(, instance=~"\$instance")?', expression))
            aggregated = name == "alerts" or (name in known and not name.startswith("series:"))
            if name.startswith("global:"):
                continue
            assert matched == ({""} if aggregated else {', instance=~"$instance"'}), name


@every_panel
def test_counters_are_read_as_rates(panel):
    """*_total and buckets only within rate or increase; rates over $__rate_interval, which is used nowhere else."""
    for expression in expressions(panel):
        for name in re.findall(r"\bembedding_\w+_(?:total|bucket)\b|\b(?:process|python)_\w+_total\b", expression):
            assert re.search(rf"\b(?:rate|increase)\({name}\b", expression), name
        assert re.findall(r"\bi?rate\([^][]*\[([^]]*)\]", expression) == ["$__rate_interval"] * expression.count(
            "rate("
        )
        assert len(re.findall(r"\b(?:rate|increase)\([^][]*\[\$__rate_interval\]", expression)) == expression.count(
            "$__rate_interval"
        )


@every_panel
def test_quantiles_are_neither_summed_nor_averaged(panel):
    """Those of the exporter and the recorded ones stand alone; buckets are summed by le, and asked then."""
    for expression in expressions(panel):
        for inner in re.findall(r"\b(?:sum|avg|avg_over_time|sum_over_time)\b[^(]*\(([^()]*)", expression):
            assert not re.search(r"_quantile\{|_median\{|:p\d\d_|:median", inner)
        if "histogram_quantile" in expression:
            assert re.search(r"histogram_quantile\([\d.]+, sum by \(le, ", expression)


@every_panel
def test_a_heatmap_gets_its_buckets(panel):
    """One group, by le alone; Grafana would show only one of several."""
    if panel["type"] != "heatmap":
        return
    (target,) = panel["targets"]

    assert ("heatmap", "{{le}}", False) == (target["format"], target["legendFormat"], panel["options"]["calculate"])
    assert re.match(r"sum by \(le\) \(increase\(", target["expr"])


@every_page
def test_deployments_are_marked_at_their_exact_time(page):
    """The value is the time of the mark, in milliseconds; the exporter's own page is of no model."""
    if page["uid"] == "embedding-drift-exporter":
        assert page["annotations"]["list"] == []
        return
    marks = {mark["name"]: mark for mark in page["annotations"]["list"]}

    assert marks["Deployments"]["useValueForTime"] is True
    assert re.fullmatch(r"embedding_deployment_timestamp_seconds\{.*\} \* 1000", marks["Deployments"]["expr"])


# --- against the exporter --------------------------------------------------------------------------------------------


@every_page
def test_an_expression_reads_what_is_exported_or_recorded(page):
    """Every metric is in the catalogue, promised to the rules, or recorded; so is every label that selects it."""
    known = recorded_labels()
    for expression in asked(page):
        found = metrics(expression)
        assert found, expression
        for name, labels in found:
            own = LABELS.get(name) or known.get(name) or BY_PROMETHEUS.get(name) or ()
            assert name in LABELS or name in known or name in BY_PROMETHEUS, name
            assert labels <= {*own, "job", "instance"}, expression


@every_page
def test_an_expression_groups_by_labels_that_exist(page):
    """In by, on and group_left, and in legends: a label that nothing of the expression has is a slip."""
    known = recorded_labels()
    for panel in page["panels"]:
        for target in panel.get("targets", ()):
            own = {"job", "instance", "le"}
            for name, _ in metrics(target["expr"]):
                own |= {*LABELS.get(name, ()), *known.get(name, ()), *BY_PROMETHEUS.get(name, ())}
            named = re.findall(r"\b(?:by|on|group_left)\s*\(([^)]*)\)", target["expr"])
            named += re.findall(r"{{(\w+)}}", target["legendFormat"])
            assert {label.strip() for each in named for label in each.split(",")} - {""} <= own, target


@every_page
def test_an_expression_is_of_every_prometheus_since_2_42(page):
    """Only functions that 2.42 and 3.x both have."""
    for expression in asked(page):
        called = set(re.findall(r"\b([a-z_]\w*)\s*\(", re.sub(r'"[^"]*"', '""', expression)))
        assert called <= {*WORDS, "scalar"}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_burn_rate_is_drawn_with_the_factors_that_page(name):
    """The dashed lines of the panel are those of thresholds.yml."""
    (panel,) = [
        p
        for page, p in PANELS
        if page == "on-call"
        and p["title"] == f"Burn rate of {name.split('_')[0]} " + ("matches" if name == "poor_match" else "results")
    ]
    drawn = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]

    assert sorted(burn.factor for burn in OBJECTIVES[name].burns if burn.severity == "critical") == drawn


def test_the_worst_queries_have_the_columns_that_the_exporter_tells():
    """Of each query what GET /v1/samples has of it, or what the selector makes of that; nothing else is shown."""
    (page,) = OPTIONAL.values()
    (target,) = page["panels"][1]["targets"]
    columns = {column["selector"] for column in target["columns"]}
    made = set(re.findall(r'"(\w+)":', target["root_selector"]))
    with service() as running:
        running.post([{"model": "e5", "scores": [0.1], "ids": ["doc"], "query_id": "q", "input_hash": "h"}])
        (series,) = running.get("/v1/samples", query="limit=50").json()["series"]

    assert columns <= {*series["queries"][0], *made}
    assert set(re.findall(r"\$one\.(\w+)", target["root_selector"])) <= set(series)
    assert ("/v1/samples?limit=50", False, None) == (target["url"], page["editable"], page["id"])
    assert {"${infinity_datasource}"} == set(re.findall(r'"uid": "(\$\{\w+\})"', json.dumps(page)))


def test_provisioning_loads_the_dashboards_into_the_data_source():
    """One provider, of the directory of dashboards, and the data source that rates may trust in its scrape interval."""
    provisioning = build.HERE / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "embedding-drift.yml").read_text())["providers"]
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    scraped = yaml.safe_load((build.HERE.parent / "prometheus" / "prometheus.yml").read_text())["global"]

    assert ("file", False) == (provider["type"], provider["allowUiUpdates"])
    assert "dashboards" == provider["options"]["path"].rpartition("/")[2]
    assert scraped["scrape_interval"] == source["jsonData"]["timeInterval"]
