"""GET /metrics as scrapers ask for it, and the probes."""

import asyncio
import gzip

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.service import JSON, event, service


@pytest.fixture
def served():
    with service() as made:
        made.post([event(norm=1.0), event(norm=1.1)])
        yield made


def test_a_scrape_is_answered_at_exactly_its_path(served):
    """No redirect, which some scrapers do not follow."""
    reply = served.get("/metrics")

    assert 200 == reply.status
    assert "text/plain; version=0.0.4; charset=utf-8" == reply.headers["content-type"]
    assert str(len(reply.body)) == reply.headers["content-length"]
    assert "embedding_events" in {family.name for family in parse_text(reply.text())}
    assert 404 == served.get("/metrics/").status


def test_head_is_answered_like_get(served):
    """A GET-only route would answer 405."""
    reply = served.ask("HEAD", "/metrics")

    assert 200 == reply.status
    assert served.get("/metrics").headers["content-type"] == reply.headers["content-type"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_another_method_is_refused(served, method):
    """405 says which is right."""
    reply = served.ask(method, "/metrics")

    assert 405 == reply.status
    assert "GET" in reply.headers["allow"]


def test_openmetrics_where_it_is_asked_for(served):
    """As Prometheus asks by default."""
    accept = (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5"
    )

    reply = served.get("/metrics", {"accept": accept})

    assert reply.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "Accept" in reply.headers["vary"]
    assert "embedding_events" in {family.name for family in parse_openmetrics(reply.text())}


def test_gzip_where_it_is_taken(served):
    """The header says so, and the length is that of what is sent."""
    reply = served.get("/metrics", {"accept-encoding": "gzip"})

    assert "gzip" == reply.headers["content-encoding"]
    assert "Accept-Encoding" in reply.headers["vary"]
    assert str(len(reply.body)) == reply.headers["content-length"]
    assert b"embedding_events_total" in gzip.decompress(reply.body)
    assert "content-encoding" not in served.get("/metrics").headers


def test_only_what_is_named(served):
    """`name[]` may stand more than once, and names samples, as in the client library."""
    reply = served.get("/metrics", query="name[]=embedding_events_total&name%5B%5D=embedding_norm_count")

    assert {"embedding_events", "embedding_norm"} == {family.name for family in parse_text(reply.text())}


def test_a_name_that_nobody_knows_gives_an_empty_scrape(served):
    """As other exporters do."""
    reply = served.get("/metrics", query="name[]=nothing")

    assert (200, b"") == (reply.status, reply.body)


@pytest.mark.parametrize("path", ["/-/healthy", "/healthz"])
def test_a_process_that_answers_is_healthy(served, path):
    """Before and while it is ready."""
    assert 200 == served.get(path).status
    assert 200 == served.ask("HEAD", path).status


@pytest.mark.parametrize("path", ["/-/ready", "/readyz"])
def test_readiness_is_that_of_intake(served, path):
    """503 before the start and after the stop; in between 200, whether there is a baseline or not."""

    async def go():
        before = await served.asked("GET", path)
        async with served.app.router.lifespan_context(served.app):
            within = await served.asked("GET", path), await served.asked("HEAD", path)
        return before, within, await served.asked("GET", path)

    before, within, after = served.run(go())

    assert [503, 200, 200, 503] == [before.status, *(each.status for each in within), after.status]


def test_scrapes_and_events_together_stay_consistent(served):
    """Thirty scrapes and as many posts at once: all are answered, and nothing is lost."""

    async def go():
        posts = [served.asked("POST", "/v1/events", b'{"model": "e5"}', JSON) for _ in range(30)]
        scrapes = [served.asked("GET", "/metrics") for _ in range(30)]
        return await asyncio.gather(*posts, *scrapes)

    replies = served.run(go())

    assert [202] * 30 + [200] * 30 == [reply.status for reply in replies]
    counts = [value for (name, *_), value in served.samples().items() if name == "embedding_events_total"]
    assert 32 == sum(counts)
