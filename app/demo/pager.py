"""Where Alertmanager's notifications arrive in the demonstration: each alert is told once, and again when it is over.

python -m app.demo.pager --listen 127.0.0.1:9095

It takes the webhooks of prometheus/alertmanager.yml: what is posted to /pages would call somebody, what is posted to
/tickets would wait for the morning. Anything else, such as the dead man's switch, is taken and not told.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

KINDS: Mapping[str, str] = {"/pages": "PAGE", "/tickets": "TICKET"}
"""The path that a receiver posts to -> what it stands for."""
MAX_BODY_BYTES = 4 * 2**20


class Pager:
    """Tells of notifications in lines. Safe from any thread."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._told: dict[str, str] = {}
        """Alert -> its status as it was told last: Alertmanager repeats itself, and sends a group as a whole."""

    def notify(self, path: str, notification: Mapping[str, Any]) -> None:
        """Tell of what is new in a webhook's body. Raises KeyError or TypeError where it is none."""
        kind = KINDS.get(path)
        if kind is None:
            return
        for alert in notification["alerts"]:
            identity, status = f"{path} {alert['fingerprint']}", str(alert["status"])
            with self._lock:
                known = self._told.get(identity)
                self._told[identity] = status
            # One that was over before it was told of is nobody's business.
            if known != status and not (known is None and status == "resolved"):
                self._say(_told(kind, alert, over=status == "resolved"))


def _told(kind: str, alert: Mapping[str, Any], *, over: bool) -> str:
    labels, annotations = alert["labels"], alert["annotations"]
    version = " ".join(labels[name] for name in ("model", "model_version") if name in labels)
    about = f"{version} (tokenizer {labels['tokenizer_version']})" if "tokenizer_version" in labels else version
    head = (
        f"  {kind} {'is over' if over else ''}".rstrip() + f": {labels['alertname']}" + (f", {about}" if about else "")
    )
    if over:
        return head
    links = [annotations[name] for name in ("runbook_url", "dashboard_url") if name in annotations]
    return "\n".join(
        [head, *(f"      {line}" for line in (annotations["summary"], annotations["description"], *links))]
    )


def server(host: str, port: int, pager: Pager) -> ThreadingHTTPServer:
    """A server that hands notifications to the pager. Port 0 is any that is free."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY_BYTES:
                self.send_error(413)
                return
            try:
                pager.notify(self.path, json.loads(self.rfile.read(length)))
            except (ValueError, KeyError, TypeError):
                self.send_error(400, "a webhook of Alertmanager is expected")
                return
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Requests are told as notifications."""

    return ThreadingHTTPServer((host, port), Handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Tell of notifications until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m app.demo.pager", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:9095", help="(%(default)s)")
    host, _, port = parser.parse_args(argv).listen.rpartition(":")

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(KeyboardInterrupt), server(host, int(port), Pager(_say)) as running:
        running.serve_forever(poll_interval=0.1)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
