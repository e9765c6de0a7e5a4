"""Examples for roll-out controllers: they are YAML, and ask for what the exporter answers."""

import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from app.api.compare import PARAMETERS
from app.canary import Verdict
from app.metrics.catalog import FAMILIES
from tests.service import event, service

DEPLOY = Path(__file__).parents[1] / "deploy"
ARGO = DEPLOY / "argo-rollouts" / "analysis-template.yaml"
FLAGGER = DEPLOY / "flagger" / "canary.yaml"


def documents(path):
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def filled(template, values):
    """A template with {{ name }} replaced; one that nobody gave a value is an error."""
    return re.sub(r"{{ ([\w.-]+) }}", lambda found: values[found[1]], template)


def argo_metric():
    [template] = documents(ARGO)
    assert "AnalysisTemplate" == template["kind"]
    [metric] = template["spec"]["metrics"]
    return template["spec"], metric


def argo_url(candidate):
    spec, metric = argo_metric()
    values = {f"args.{each['name']}": each.get("value") for each in spec["args"]}
    values |= {"args.model": "e5", "args.stable-version": "1@1", "args.canary-version": candidate}
    return filled(metric["provider"]["web"]["url"], values)


def flagger_hook():
    *_, canary = documents(FLAGGER)
    [hook] = canary["spec"]["analysis"]["webhooks"]
    return hook


@pytest.mark.parametrize("url", [argo_url("2"), flagger_hook()["url"]], ids=["argo", "flagger"])
def test_the_urls_are_of_this_exporter(url):
    """Its path, its port, its parameters."""
    parts = urlsplit(url)

    assert ("/v1/compare", 10877) == (parts.path, parts.port)
    assert {"model", "baseline", "candidate"} <= dict(parse_qsl(parts.query)).keys() <= set(PARAMETERS)


def test_argo_reads_the_result():
    """The path of the answer, and a condition for each end; what is neither is inconclusive to Argo, too."""
    _, metric = argo_metric()
    conditions = [metric["successCondition"], metric["failureCondition"]]

    assert "{$.result}" == metric["provider"]["web"]["jsonPath"]
    assert [f'result == "{Verdict.PASS}"', f'result == "{Verdict.FAIL}"'] == conditions
    with service() as served:
        for version in ("1", "2"):
            served.post([event(model_version=version)] * 5)
        served.tick()
        reply = served.get("/v1/compare", query=urlsplit(argo_url("2@1")).query)
    assert (200, "inconclusive") == (reply.status, reply.json()["result"])


def test_flagger_promotes_nothing_that_did_not_pass():
    """Its hook is a POST, and any status but 2xx holds the promotion."""
    hook = flagger_hook()
    asked = dict(parse_qsl(urlsplit(hook["url"]).query))

    assert "confirm-promotion" == hook["type"]
    with service() as served:
        for version in (asked["baseline"], asked["candidate"]):
            served.post([event(model_version=version)] * 5)
        served.tick()
        reply = served.ask("POST", "/v1/compare", b'{"name": "search"}', query=urlsplit(hook["url"]).query)
    assert 412 == reply.status


def test_flaggers_metric_is_one_of_ours(promtool, tmp_path):
    """The query names a family of the catalogue with its labels, and is PromQL; more than its limit is a failure."""
    template, canary = documents(FLAGGER)
    [metric] = canary["spec"]["analysis"]["metrics"]
    assert metric["templateRef"]["name"] == template["metadata"]["name"]
    variables = {f"variables.{name}": value for name, value in metric["templateVariables"].items()}
    query = filled(template["spec"]["query"], variables)

    name, labels = re.search(r"(embedding_\w+){(.*)}", query).groups()
    family = next(each for each in FAMILIES if each.name == name)
    assert set(re.findall(r"(\w+)=", labels)) <= set(family.labels)
    series = f'embedding_canary_result{{model="e5",model_version="3",tokenizer_version="1",result="{Verdict.FAIL}"}}'
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": series, "values": value}] if value else [],
            "promql_expr_test": [
                {"expr": query, "eval_time": "1m", "exp_samples": [{"labels": "{}", "value": expected}]}
            ],
        }
        for value, expected in (("1 1", 1), ("0 0", 0), ("", 0))
    ]
    assert 0 == metric["thresholdRange"]["max"]
    promtool_agrees(promtool, tmp_path, tests)


def promtool_agrees(promtool, tmp_path, tests):
    """`promtool test rules` finds what the tests say."""

    (tmp_path / "test.yml").write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
