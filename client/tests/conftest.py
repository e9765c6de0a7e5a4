"""A real HTTP server in a thread that answers as a test tells it to."""

import json
import queue
import socket
import struct
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from embedding_drift_client import DriftClient

PATIENCE_SECONDS = 10.0


class FakeExporter:
    """Takes any `POST`; each request is answered by the next of `script`, then by `accept`."""

    def __init__(self):
        self.script = deque()
        self.requests = queue.Queue()
        self.batches = []
        self.paths = []
        self.connections = 0
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                exporter.connections += 1

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                exporter.batches.append(json.loads(body))
                exporter.paths.append(self.path)
                exporter.requests.put((self.path, dict(self.headers)))
                answer = exporter.script.popleft() if exporter.script else exporter.accept
                answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def wait_for_request(self):
        """The path and headers of the next request."""
        return self.requests.get(timeout=PATIENCE_SECONDS)

    def taken(self, route):
        """What was posted to a route, batch after batch."""
        posted = zip(self.paths, self.batches, strict=True)
        return [item for path, batch in posted if path == route for item in batch["events"]]

    @property
    def events(self):
        return self.taken("/v1/events")

    def accept(self, handler):
        self.status(202, body={"accepted": len(self.batches[-1]["events"]), "rejected": 0})(handler)

    def status(self, code, headers=(), body=b""):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()

        def answer(handler):
            handler.send_response(code)
            for name, value in dict(headers).items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)

        return answer

    def accept_then_drop(self, handler):
        """Answer, then close the kept connection without a word, as a server does with an idle one."""
        self.accept(handler)
        handler.wfile.flush()
        handler.close_connection = True

    def reset(self, handler):
        linger = struct.pack("ii", 1, 0)  # close with a reset
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.close_connection = True
        handler.wfile.close()
        handler.rfile.close()
        handler.connection.close()

    def garbage(self, handler):
        handler.wfile.write(b"\x00\xffthis is not HTTP\r\n\r\n")
        handler.close_connection = True

    def hold(self, gate):
        """Answer only when the gate opens."""

        def answer(handler):
            gate.wait(PATIENCE_SECONDS)
            self.accept(handler)

        return answer


@pytest.fixture
def exporter():
    exporter = FakeExporter()
    yield exporter
    exporter.stop()


@pytest.fixture
def gate():
    """What a held reply waits for; open at the end of the test."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def make_client(exporter, gate):
    """Clients of the fake exporter that send when told to, unless the test says otherwise."""
    clients = []

    def make(sample_rate=1.0, **settings):
        settings = {"model": "e5", "flush_interval_seconds": 3600.0, **settings}
        clients.append(DriftClient(exporter.url, sample_rate, **settings))
        return clients[-1]

    yield make
    gate.set()
    for client in clients:
        client.close(PATIENCE_SECONDS)


@pytest.fixture
def no_pauses(monkeypatch):
    """Retries follow at once."""
    monkeypatch.setattr("embedding_drift_client.delivery.FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("embedding_drift_client.delivery.MAX_RETRY_AFTER_SECONDS", 0.0)
