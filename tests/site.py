"""A site of real processes at its own pace: exporter, demonstration, Prometheus, Alertmanager, and who is called."""

import json
import socket
import threading
import time
import urllib.request
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from app.demo import run
from app.demo.acts import MODEL
from app.demo.processes import child_process, program
from app.demo.watch import Reading, fetch
from prometheus import template
from prometheus.stack import alertmanager_command, prometheus_command

PATIENCE_SECONDS = 120.0
"""For each thing that is waited for, on the slowest machine; all of them together take less on an idle one."""


class Notification(NamedTuple):
    """What Alertmanager posted."""

    at: float
    """Seconds since the start."""
    path: str
    content: dict


class Receiver:
    """Whoever is called: every webhook, in order."""

    def __init__(self):
        self.began = time.monotonic()
        self.notifications = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.notifications.append(Notification(receiver.now(), self.path, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """What was posted is kept."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def now(self):
        return time.monotonic() - self.began

    def alerts(self, path, status=None, since=0.0):
        """(alert, when) of everything of this status that was posted to a path."""
        return [
            (alert, notification.at)
            for notification in list(self.notifications)
            for alert in notification.content["alerts"]
            if notification.path == path and notification.at >= since and status in (None, alert["status"])
        ]

    def firing(self, path):
        """Names of the alerts that were told to a path and not yet told to be over."""
        latest = {alert["fingerprint"]: alert for alert, _ in self.alerts(path)}
        return {alert["labels"]["alertname"] for alert in latest.values() if alert["status"] == "firing"}


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def until(condition, what):
    """Ask again and again until there is something; what was not there in time is named, or said by a function."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except OSError:
            pass
        time.sleep(0.1)
    return pytest.fail(f"not within {PATIENCE_SECONDS:g} s: {what() if callable(what) else what}")


class Service:
    """An exporter that may come later, and the demonstration's traffic to it, which trains first."""

    def __init__(self, stack, tempo, key):
        self._stack, self._tempo, self._key = stack, tempo, key
        self.address = free_address()
        self.url = f"http://{self.address}"
        arguments = run._traffic_arguments(tempo, self.url)
        self._traffic = stack.enter_context(child_process("app.demo.traffic", *arguments, pipes=True))

    def start(self, *options):
        """Start the exporter, and wait until both are ready."""
        serve = ["serve", f"--listen={self.address}", f"--time-scale={self._tempo.time_scale:g}"]
        serve += ["--log-level=warning", f"--input-hash-key-file={self._key}"]
        self._stack.enter_context(child_process("app.cli", *serve, *options))
        until(lambda: fetch(f"{self.url}/-/ready"), "the exporter is ready")
        assert self._traffic.stdout.readline(), "the traffic process ended in its training"
        # Before the exporter, or it would complain of whom it cannot reach.
        self._stack.callback(self._end_traffic)

    def _end_traffic(self):
        self._traffic.terminate()
        self._traffic.wait(PATIENCE_SECONDS)

    def play(self, act):
        self._traffic.stdin.write(f"{act}\n")
        self._traffic.stdin.flush()

    def reading(self):
        return Reading.of(fetch(f"{self.url}/metrics"), fetch(f"{self.url}/v1/series"))

    def tell(self, **event):
        """Of the model's life, as a deploy script would."""
        body = json.dumps({"events": [{"model": MODEL, **event}]}).encode()
        request = urllib.request.Request(f"{self.url}/v1/lifecycle", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            assert 1 == json.load(reply)["accepted"]

    def exported_baseline(self, path):
        """The pinned baseline of the model in a file, once it is final."""
        until(lambda: self.reading().baseline_state() == "final", "a day is learned")
        listed = json.loads(fetch(f"{self.url}/v1/baselines"))["baselines"]
        (pinned,) = (each["id"] for each in listed if each["model"] == MODEL and each["tokenizer_version"] == "1")
        with urllib.request.urlopen(f"{self.url}/v1/baselines/{pinned}", timeout=30) as reply:
            path.write_bytes(reply.read())
        return path


class Site:
    """A service that is watched: a day was learned as fast as it goes, and is the baseline of an exporter at `tempo`.

    Its hours are long enough for Prometheus to look at; `prometheus.template` divides rules and routes as the exporter
    divides its own durations.
    """

    def __init__(self, stack, tempo, directory, prometheus, alertmanager):
        self.tempo = tempo
        key = directory / "key"
        key.write_text("a secret that both exporters share")
        # Its model is trained while the other learns.
        self.service = Service(stack, tempo, key)
        with ExitStack() as learning:
            fast = Service(learning, run.FAST, key)
            fast.start()
            fast.play("healthy")
            baseline = fast.exported_baseline(directory / "baseline.npz")
        self.service.start(f"--baseline={baseline}")
        self.receiver = Receiver()
        stack.callback(self.receiver.close)
        self._address, told = free_address(), free_address()
        addresses = {"exporter": self.service.address, "alertmanager": told, "receiver": self.receiver.address}
        template.write(directory, tempo.time_scale, addresses)
        stack.enter_context(program(*alertmanager_command(alertmanager, directory, directory, told)))
        command = prometheus_command(prometheus, directory, directory, self._address)
        # What fired before Alertmanager was found is told again after a minute, which is seven hours here.
        stack.enter_context(program(*command, "--rules.alert.resend-delay=1s"))

    def asked(self, expression):
        """The result of an instant query, whose durations are divided."""
        query = urlencode({"query": template.faster(expression, self.tempo.time_scale)})
        return json.loads(fetch(f"http://{self._address}/api/v1/query?{query}"))["data"]["result"]
