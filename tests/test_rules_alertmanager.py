"""The Alertmanager configuration that ships: who is told of what, and what keeps it silent."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from prometheus.alerts import ALERTS
from tests.conftest import _program

CONFIGURATION = Path(__file__).parents[1] / "prometheus" / "alertmanager.yml"
DEADLINE_SECONDS = 30.0
JOB = "embedding-drift-exporter"
VERSION = {"model": "e5", "model_version": "2", "tokenizer_version": "1", "kind": "query"}
RECEIVERS = {"critical": "pages", "warning": "tickets", "none": "nobody"}


@pytest.fixture(scope="module")
def amtool():
    return _program("amtool", "prometheus-alertmanager")


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory):
    """The URL of an Alertmanager that runs the shipped file; nobody listens where it would notify."""
    program = _program("prometheus-alertmanager", "prometheus-alertmanager")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    directory = tmp_path_factory.mktemp("alertmanager")
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={CONFIGURATION}",
                f"--storage.path={directory / 'data'}",
                f"--web.listen-address={address}",
                "--cluster.listen-address=",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://{address}/api/v2/alerts"
    until(lambda: asked(url) == [], (directory / "log").read_text)
    yield url
    process.kill()
    process.wait()


def asked(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)


def until(condition, explain):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except (OSError, urllib.error.HTTPError):
            pass
        time.sleep(0.05)
    pytest.fail(f"not within {DEADLINE_SECONDS:g} s: {explain()}")


def alert(name, severity, **labels):
    return {"alertname": f"EmbeddingDrift{name}", "severity": severity, "job": JOB, **labels}


@pytest.fixture
def silenced(alertmanager, request):
    """A function that fires alerts together and waits until exactly those of some names are silenced by others."""
    case = request.node.name

    def check(names, *alerts):
        # One job a test, so that they do not know of each other.
        body = json.dumps([{"labels": each | {"job": case}} for each in alerts]).encode()
        post = urllib.request.Request(alertmanager, body, {"Content-Type": "application/json"})
        urllib.request.urlopen(post, timeout=10).close()

        def states():
            own = [each for each in asked(alertmanager) if each["labels"]["job"] == case]
            return {each["labels"]["alertname"]: each["status"]["state"] for each in own}

        expected = {
            each["alertname"]: "suppressed" if each["alertname"].removeprefix("EmbeddingDrift") in names else "active"
            for each in alerts
        }
        until(lambda: states() == expected, states)

    return check


def test_the_configuration_is_valid(amtool):
    """`amtool check-config` takes it."""
    checked = subprocess.run([amtool, "check-config", CONFIGURATION], capture_output=True, text=True, check=False)

    assert 0 == checked.returncode, checked.stdout + checked.stderr


@pytest.mark.parametrize(("name", "severity"), sorted({(each.name, each.severity) for each in ALERTS}), ids=str)
def test_an_alert_reaches_its_receiver(amtool, name, severity):
    """Pages page, tickets open tickets, the dead man's switch has a way of its own; nothing is told to two."""
    receiver = "dead-mans-switch" if name == "EmbeddingDriftWatchdog" else RECEIVERS[severity]

    routed = subprocess.run(
        [
            *(amtool, "config", "routes", "test", f"--config.file={CONFIGURATION}"),
            f"--verify.receivers={receiver}",
            *(f"alertname={name}", f"severity={severity}", f"job={JOB}", "model=e5"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, receiver) == (routed.returncode, routed.stdout.strip())


def test_what_no_route_knows_is_a_ticket(amtool):
    """An alert of another severity is not lost."""
    routed = subprocess.run(
        [amtool, "config", "routes", "test", f"--config.file={CONFIGURATION}", "alertname=Other", "severity=info"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "tickets" == routed.stdout.strip()


def test_a_deployment_is_one_notification():
    """Grouped by model and versions, whatever alerts they set off; the mute intervals that are offered exist."""
    configuration = yaml.safe_load(CONFIGURATION.read_text())

    assert {"model", "model_version", "tokenizer_version"} <= set(configuration["route"]["group_by"])
    assert "alertname" not in configuration["route"]["group_by"]
    assert ["nights", "weekends"] == [interval["name"] for interval in configuration["time_intervals"]]
    assert "# mute_time_intervals: [nights, weekends]" in CONFIGURATION.read_text()


def test_alerts_of_one_deployment_come_together(alertmanager):
    """In a real one: whatever a version sets off is one group of each receiver, and no other version's is in it."""
    other = VERSION | {"model_version": "3"}
    alerts = [
        alert("Severe", "critical", window="1h", **VERSION),
        alert("PoorMatchBurn", "critical", long="1h", **VERSION),
        alert("Collapse", "critical", window="5m", **other),
    ]
    body = json.dumps([{"labels": each | {"job": "grouped"}} for each in alerts]).encode()
    post = urllib.request.Request(alertmanager, body, {"Content-Type": "application/json"})
    urllib.request.urlopen(post, timeout=10).close()

    def grouped():
        return {
            group["labels"]["model_version"]: {each["labels"]["alertname"] for each in group["alerts"]}
            for group in asked(f"{alertmanager}/groups")
            if group["labels"].get("job") == "grouped"
        }

    together = {"2": {"EmbeddingDriftSevere", "EmbeddingDriftPoorMatchBurn"}, "3": {"EmbeddingDriftCollapse"}}
    until(lambda: grouped() == together, grouped)


def test_tickets_can_wait_for_the_morning(amtool, tmp_path):
    """The mute interval that is offered as a comment is valid where it is taken in; pages never wait."""
    text = CONFIGURATION.read_text().replace("# mute_time_intervals:", "mute_time_intervals:")
    muted = tmp_path / "alertmanager.yml"
    muted.write_text(text)
    routes = yaml.safe_load(text)["route"]["routes"]

    checked = subprocess.run([amtool, "check-config", muted], capture_output=True, text=True, check=False)

    assert 0 == checked.returncode, checked.stdout + checked.stderr
    assert {"tickets": ["nights", "weekends"]} == {
        route["receiver"]: route["mute_time_intervals"] for route in routes if "mute_time_intervals" in route
    }


def test_the_dead_mans_switch_is_pressed_every_minute():
    """At once, without end, and not once more when it is over: that silence is what its receiver waits for."""
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    (route,) = (each for each in configuration["route"]["routes"] if each["receiver"] == "dead-mans-switch")
    (receiver,) = (each for each in configuration["receivers"] if each["name"] == "dead-mans-switch")

    assert ("0s", "1m", "1m") == (route["group_wait"], route["group_interval"], route["repeat_interval"])
    assert [False] == [each["send_resolved"] for each in receiver["webhook_configs"]]


def test_a_page_silences_the_tickets_of_its_deployment(silenced):
    """And no other deployment's, and no page."""
    other = VERSION | {"model_version": "3"}

    silenced(
        {"Detected"},
        alert("Severe", "critical", window="1h", **VERSION),
        alert("PoorMatchBurn", "critical", **VERSION),
        alert("Detected", "warning", window="24h", **VERSION),
        alert("ErrorRate", "warning", **other),
        alert("SeriesFolded", "warning", instance="a"),
    )


def test_an_exporter_that_is_down_silences_what_it_said(silenced):
    """Of the same instance; the others' alerts, its own and the dead man's switch stay."""
    silenced(
        {"Severe", "EvaluationStale"},
        alert("ExporterDown", "critical", instance="a"),
        alert("Severe", "critical", instance="a", **VERSION),
        alert("EvaluationStale", "warning", instance="a"),
        alert("Collapse", "critical", instance="b", **VERSION),
        alert("Watchdog", "none"),
    )


def test_maintenance_silences_all_about_its_model(silenced):
    """Pages and tickets of every version; not another model's, and not the exporter's."""
    other = VERSION | {"model": "bge"}

    silenced(
        {"Severe", "MixedVersions"},
        alert("Maintenance", "none", model="e5"),
        alert("Severe", "critical", instance="a", **VERSION),
        alert("MixedVersions", "warning", model="e5", kind="query"),
        alert("Silent", "critical", **other),
        alert("ExporterDown", "critical", instance="b"),
    )
