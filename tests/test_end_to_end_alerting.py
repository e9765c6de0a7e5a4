"""From a query to a page: the shipped rules and routes judge the demonstration, in real processes.

`pytest -s` shows the log: what happened when, who was told of what, and the first page as it was posted.
"""

import json
import re
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from app.demo.acts import MODEL
from app.demo.run import Tempo
from app.demo.watch import fetch
from prometheus.alerts import ALERTS
from prometheus.thresholds import seconds
from tests.conftest import _program
from tests.site import Receiver, Site, until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
TEMPO = Tempo(450.0)
"""An hour is eight seconds: five minutes hold three scrapes."""
PAGE = "EmbeddingDriftSpaceChanged"
HEALTHY_EVENTS = 3000
"""More than an hour of them, so that every window that pages is full of the healthy act alone."""
MARGIN_SECONDS = 3.0
"""For rules and routes that were about to say something."""

HEALTHY, MAINTAINED, WOULD_HAVE_PAGED, WORKING_AGAIN, PAGED, MENDED, OVER = (
    "an ordinary day, with scores",
    "maintenance is announced, and a new tokenizer takes over without a word",
    "it would have paged by now",
    "maintenance is over",
    "the page has come",
    "the former tokenizer again",
    "every page is over",
)


class Played(NamedTuple):
    """What was received, when the story went on, and what the links of pages led to."""

    receiver: Receiver
    story: dict
    linked: dict

    def paged(self, first, then):
        """Names of alerts that were told to /pages from one moment of the story to another."""
        told = self.receiver.alerts("/pages", "firing", self.story[first])
        return {alert["labels"]["alertname"] for alert, at in told if at < self.story[then]}


def say(at, what):
    sys.stdout.write(f"{at:6.1f} s  {what}\n")


@pytest.fixture(scope="module")
def played(prometheus, tmp_path_factory):
    """Play it, and say what happened when; what the tests below look at is what was received."""
    alertmanager = _program("prometheus-alertmanager", "prometheus-alertmanager")
    with ExitStack() as stack:
        site = Site(stack, TEMPO, tmp_path_factory.mktemp("site"), prometheus, alertmanager)
        done = Played(site.receiver, {}, {})

        def note(moment):
            done.story[moment] = site.receiver.now()
            say(done.story[moment], moment)

        healthy(site, note)
        suppressed(site, note)
        paged(site, note, done.linked)
        recovered(site, note)
    tell(done.receiver)
    return done


def tell(receiver):
    """Who was told of what, when; and the first notification of the page as it was posted."""
    for at, path, content in receiver.notifications:
        if path != "/dead-mans-switch":
            for alert in content["alerts"]:
                what = alert["annotations"]["description"] if alert["status"] == "firing" else "resolved"
                say(at, f"{path} {alert['labels']['alertname']}: {what}")
    first = next(each for each in receiver.notifications if PAGE in json.dumps(each.content))
    say(first.at, json.dumps(first.content, indent=2))


def healthy(site, note):
    """An hour and more of ordinary traffic with scores."""
    site.service.play("healthy")
    score = 'series:embedding_drift_score:max{window="1h", baseline="pinned"}'
    until(lambda: site.asked(score), "Prometheus has a score of the last hour")
    note(HEALTHY)
    before = site.service.reading().events()
    until(lambda: site.service.reading().events() - before >= HEALTHY_EVENTS, "an hour of healthy traffic")


def suppressed(site, note):
    """A silent change within maintenance, for as long as the rule of a page waits."""
    site.service.tell(type="maintenance", status="begin")
    until(lambda: site.asked("model:embedding_maintenance:max == 1"), "Prometheus knows of maintenance")
    site.service.play("tokenizer_silent")
    note(MAINTAINED)
    rules = [
        each for each in ALERTS if (each.name, each.severity, each.labels.get("window")) == (PAGE, "critical", "1h")
    ]
    (rule,) = rules
    wait_seconds = seconds(rule.wait) / site.tempo.time_scale + MARGIN_SECONDS
    since = None

    def holds():
        nonlocal since
        since = (since or site.receiver.now()) if site.asked(rule.expr) else None
        return since is not None and site.receiver.now() - since > wait_seconds

    until(holds, f"what {PAGE} asks for holds")
    note(WOULD_HAVE_PAGED)


def paged(site, note, linked):
    """The same change after maintenance, until somebody is called, who follows every link."""
    site.service.tell(type="maintenance", status="end")
    note(WORKING_AGAIN)

    def called():
        told = [alert for alert, _ in site.receiver.alerts("/pages", "firing")]
        return told if PAGE in {alert["labels"]["alertname"] for alert in told} else None

    for alert in until(called, f"{PAGE} pages"):
        url = alert["annotations"]["runbook_url"]
        linked[url] = fetch(url)
    note(PAGED)


def recovered(site, note):
    """Back to what the baseline knows, until all that was told is told to be over."""
    site.service.play("healthy")
    note(MENDED)
    firing = site.receiver.firing
    until(lambda: not firing("/pages"), lambda: f"every page is over; still firing: {firing('/pages')}")
    note(OVER)


def test_the_healthy_act_pages_nobody(played):
    """From the first score on, for more than an hour of the exporter's time."""
    assert set() == played.paged(HEALTHY, MAINTAINED)


def test_maintenance_suppresses_what_would_have_paged(played):
    """Though scores, effects and waits were what a page asks for."""
    assert set() == played.paged(MAINTAINED, WORKING_AGAIN)


def test_the_silent_tokenizer_change_pages(played):
    """With the numbers and the suspect, once the rules have forgotten the maintenance."""
    first = next(alert for alert, _ in played.receiver.alerts("/pages") if alert["labels"]["alertname"] == PAGE)

    assert PAGE in played.paged(WORKING_AGAIN, MENDED)
    assert {"model": MODEL, "severity": "critical", "tokenizer_version": "1"}.items() <= first["labels"].items()
    assert re.match(r"\d+(\.\d+)?% of the known inputs of ", first["annotations"]["description"])
    assert "model_or_tokenizer_changed" in first["annotations"]["description"]
    assert datetime.fromisoformat(first["startsAt"]).tzinfo


def test_recovery_resolves_every_page(played):
    """Each that fired is over, and is told to whoever was paged."""
    told = played.receiver.alerts("/pages", "resolved", played.story[MENDED])

    assert PAGE in {alert["labels"]["alertname"] for alert, _ in told}
    assert list(played.story) == [HEALTHY, MAINTAINED, WOULD_HAVE_PAGED, WORKING_AGAIN, PAGED, MENDED, OVER]


def test_a_deployment_is_one_notification(played):
    """What is paged of one version comes together, whatever it set off."""
    pages = [each.content for each in played.receiver.notifications if each.path == "/pages"]
    together = [
        {alert["labels"]["alertname"] for alert in page["alerts"]}
        for page in pages
        if page["groupLabels"].get("tokenizer_version") == "1"
    ]

    assert all("alertname" not in page["groupLabels"] for page in pages)
    assert max(map(len, together)) > 1


def test_the_links_of_a_page_lead_to_its_runbook_and_a_dashboard(played):
    """To a file of this repository, which the exporter served when it was asked; and to a dashboard, of the model."""
    uids = {json.loads(path.read_text())["uid"] for path in (ROOT / "grafana" / "dashboards").glob("*.json")}

    for url, page in played.linked.items():
        name = urlsplit(url).path.removeprefix("/runbooks/")
        assert (ROOT / "docs" / "runbooks" / f"{name}.md").exists()
        assert f"<title>{name}</title>" in page
    for alert, _ in played.receiver.alerts("/pages"):
        labels, annotations = alert["labels"], alert["annotations"]
        dashboard = urlsplit(annotations["dashboard_url"])
        assert annotations["runbook_url"].endswith(f"/runbooks/{labels['alertname']}")
        assert dashboard.path.removeprefix("/d/") in uids
        assert labels.get("model") == parse_qs(dashboard.query).get("var-model", [None])[0]


def test_the_dead_mans_switch_was_heard_all_the_time(played):
    """From before anything was wrong until all was over."""
    heard = [each.at for each in played.receiver.notifications if each.path == "/dead-mans-switch"]

    assert heard[0] < played.story[MAINTAINED]
    assert heard[-1] > played.story[MENDED]
    assert {"firing"} == {alert["status"] for alert, _ in played.receiver.alerts("/dead-mans-switch")}
