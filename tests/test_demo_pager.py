"""Who reads Alertmanager's notifications out in the demonstration."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from app.demo.pager import MAX_BODY_BYTES, Pager, server

LABELS = {"alertname": "EmbeddingDriftSevere", "model": "e5", "model_version": "2", "tokenizer_version": "1"}
ANNOTATIONS = {
    "summary": "Vectors differ severely from the baseline.",
    "description": "The vectors of e5 score 7.",
    "runbook_url": "http://127.0.0.1:10877/runbooks/EmbeddingDriftSevere",
    "dashboard_url": "http://127.0.0.1:3000/d/embedding-drift-on-call?var-model=e5",
}


def notification(*alerts):
    """The body of a webhook, of (fingerprint, status) each."""
    return {
        "version": "4",
        "alerts": [
            {"fingerprint": fingerprint, "status": status, "labels": LABELS, "annotations": ANNOTATIONS}
            for fingerprint, status in alerts
        ],
    }


def told(*notifications, path="/pages"):
    lines = []
    pager = Pager(lines.append)
    for each in notifications:
        pager.notify(path, each)
    return lines


def test_an_alert_is_told_with_its_links():
    """Its name, of what, what it means, and where to go on."""
    (line,) = told(notification(("a", "firing")))

    assert line.startswith("  PAGE: EmbeddingDriftSevere, e5 2 (tokenizer 1)\n")
    assert [ANNOTATIONS[name] for name in ("summary", "description", "runbook_url", "dashboard_url")] == [
        each.strip() for each in line.splitlines()[1:]
    ]


def test_it_is_told_once_and_once_more_when_it_is_over():
    """Alertmanager repeats a group whenever one alert of it changes."""
    lines = told(
        notification(("a", "firing")),
        notification(("a", "firing"), ("b", "firing")),
        notification(("a", "resolved"), ("b", "firing")),
        notification(("a", "resolved"), ("b", "resolved")),
        notification(("a", "firing")),
    )

    heads = [line.splitlines()[0].partition(":")[0].strip() for line in lines]
    assert ["PAGE", "PAGE", "PAGE is over", "PAGE is over", "PAGE"] == heads


def test_what_was_over_before_it_was_told_is_not_told():
    """It came and went within one interval of its group."""
    assert [] == told(notification(("a", "resolved")))


def test_tickets_are_tickets_and_the_dead_mans_switch_is_silent():
    """By the path that each receiver posts to."""
    assert told(notification(("a", "firing")), path="/tickets")[0].startswith("  TICKET: EmbeddingDriftSevere")
    assert [] == told(notification(("a", "firing")), path="/dead-mans-switch")


def test_an_alert_about_no_model_is_told_without_one():
    """The exporter's own."""
    body = notification(("a", "firing"))
    body["alerts"][0]["labels"] = {"alertname": "EmbeddingDriftExporterDown"}

    assert "  PAGE: EmbeddingDriftExporterDown" == told(body)[0].splitlines()[0]


@pytest.fixture
def posted():
    """A function that posts to a running pager and gives the status."""
    running = server("127.0.0.1", 0, Pager(lambda _: None))
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def post(body, path="/pages", **headers):
        url = f"http://127.0.0.1:{running.server_port}{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as reply:
                return reply.status
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code

    yield post
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"alerts": [{}]}', b'{"alerts": 1}', b"\xff"])
def test_what_is_no_webhook_is_refused(posted, body):
    """400, and the next one is taken."""
    assert 400 == posted(body)
    assert 200 == posted(json.dumps(notification(("a", "firing"))).encode())


def test_a_body_without_end_is_not_read(posted):
    """It says how long it would be."""
    assert 413 == posted(b"{}", **{"Content-Length": str(MAX_BODY_BYTES + 1)})


def test_it_runs_as_a_process_and_ends_on_sigterm():
    """As the compose file starts it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app.demo.pager", f"--listen=127.0.0.1:{port}"]
    body = json.dumps(notification(("a", "firing"))).encode()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/pages", body, timeout=10).close()
                break
            except urllib.error.URLError:
                time.sleep(0.05)
        told_first = child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        _, complaints = child.communicate(timeout=30)

    assert (0, "") == (child.returncode, complaints)
    assert told_first.startswith("  PAGE: EmbeddingDriftSevere")
