"""The service in this process, without a socket: requests go straight into the application."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from app.config import Settings
from app.main import create_app, create_store
from tests.fakes import FakeClock

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Reply:
    """What came back; headers by their lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.body.decode()


class Service:
    """One application of its own, on a clock that a test moves."""

    def __init__(self, runner, settings):
        self._runner = runner
        self.clock = FakeClock()
        self.store = create_store(settings)
        self.app = create_app(settings, self.store, self.clock)
        self.services = self.app.services

    def run(self, coroutine):
        return self._runner.run(coroutine)

    def ask(self, method, path, body=b"", headers=(), query=""):
        """One request; a body that is a list comes in chunks."""
        return self.run(self.asked(method, path, body, headers, query))

    async def asked(self, method, path, body=b"", headers=(), query="", after=None):
        """The same within a loop. `after` is awaited for what comes after the chunks, which then are not the end."""
        chunks = body if isinstance(body, list) else [body]
        waiting = [{"type": "http.request", "body": each, "more_body": True} for each in chunks]
        waiting[-1]["more_body"] = after is not None
        sent = []

        async def receive():
            if waiting:
                return waiting.pop(0)
            return await after()

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in dict(headers).items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 10877),
        }
        await self.app(scope, receive, send)
        head, *rest = sent
        return Reply(
            head["status"],
            {name.decode(): value.decode("latin-1") for name, value in head["headers"]},
            b"".join(each.get("body", b"") for each in rest),
        )

    def get(self, path, headers=(), query=""):
        return self.ask("GET", path, headers=headers, query=query)

    def post(self, content, headers=(), path="/v1/events"):
        """Send content as JSON."""
        return self.send(json.dumps(content).encode(), headers, path)

    def send(self, body, headers=(), path="/v1/events"):
        """Send bytes, or chunks of them, said to be JSON unless the headers say otherwise."""
        return self.ask("POST", path, body, JSON | dict(headers))

    def tick(self):
        self.services.evaluator.tick(self.clock.now())
        self.services.recent_outcomes.note(self.services.outcomes.totals().series, self.clock.now())

    def samples(self):
        """Every sample of a scrape that must be answered and must parse: name and labels -> value."""
        reply = self.get("/metrics")
        assert 200 == reply.status
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(reply.text())
            for sample in family.samples
        }

    def failures(self):
        """How many refused events and requests, by the reasons that occurred."""
        return {
            labels[0][1]: value
            for (name, *labels), value in self.samples().items()
            if name == "embedding_event_failures_total" and value
        }


@contextmanager
def service(**settings) -> Iterator[Service]:
    """A service with these settings."""
    with asyncio.Runner() as runner:
        yield Service(runner, Settings(**settings))


def event(**fields):
    """A healthy event."""
    return {"model": "e5", "model_version": "2", "tokenizer_version": "1", "scores": [0.8, 0.7], **fields}


def vectors(rng, n, *, dimension=8) -> Sequence[list[float]]:
    """Vectors about as long as one, as lists."""
    return (rng.normal(1.0, 0.05, (n, dimension)) / dimension**0.5).tolist()


def zipped(content):
    # Without the time: parameters of tests are named by what they are.
    return gzip.compress(json.dumps(content).encode(), mtime=0)
