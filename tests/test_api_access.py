"""Each route without, with a wrong, with another's and with the right token (R31), and what the document says of it."""

import base64

import bcrypt
import pytest

from app.access import Role
from app.api.routes import ROLES, ROUTES
from tests.service import JSON, service
from tests.test_access import TOKENS

CASES = [
    (route, method, path)
    for route in ROUTES
    for path in (route.path, *route.aliases)
    for method in ((route.method, "HEAD") if route.method == "GET" else (route.method,))
]
every_way = pytest.mark.parametrize(
    ("route", "method", "path"), CASES, ids=[f"{method} {path}" for _, method, path in CASES]
)


@pytest.fixture(scope="module")
def token_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    for role, token in TOKENS.items():
        (folder / role).write_text(token)
    return {f"{role}_token_file": folder / role for role in Role}


@pytest.fixture(scope="module")
def guarded(token_files):
    with service(**token_files) as made:
        yield made


def filled(path):
    """With something for each parameter."""
    return path.replace("{baseline_id}", "none").replace("{page}", "none")


def ask(served, method, path, authorization=None):
    headers = JSON if authorization is None else JSON | {"authorization": authorization}
    return served.ask(method, filled(path), b"[]", headers)


@every_way
def test_r31_a_route_wants_its_token(guarded, route, method, path):
    """401 without and with a wrong one, 403 with another's; with its own it is what it is without any."""
    role = ROLES[route.tag]
    for wrong in (None, "Bearer wrong-0123456789abcdef", "Basic eDp5", "Bearer"):
        reply = ask(guarded, method, path, wrong)
        assert (401 if role else 0) == (reply.status if role or reply.status in {401, 403} else 0)
        if role:
            assert "www-authenticate" in reply.headers
            assert method == "HEAD" or "error" in reply.json()
    for other, token in TOKENS.items():
        status = ask(guarded, method, path, f"Bearer {token}").status
        if role is None or other in {role, Role.ADMIN}:
            assert status not in {401, 403}
        else:
            assert 403 == status


def test_every_route_has_a_role_and_those_for_everybody_are_few():
    """A new tag has to say."""
    assert {route.tag for route in ROUTES} == set(ROLES)
    assert {"/-/healthy", "/-/ready", "/runbooks", "/runbooks/{page}"} == {
        route.path for route in ROUTES if ROLES[route.tag] is None
    }


def test_every_route_of_the_application_was_given_its_role(guarded):
    """One that is added past the table is the administrators'."""
    told = {(route.path, route.method): ROLES[route.tag] for route in ROUTES}

    for route in guarded.app.routes:
        for method in route.methods or ():
            path = {"/healthz": "/-/healthy", "/readyz": "/-/ready"}.get(route.path, route.path)
            assert route.role == told[path, "GET" if method == "HEAD" else method]


def test_nothing_is_taken_without_a_token(guarded):
    """The body is not looked at."""
    before = guarded.services.store.counts().series
    guarded.ask("POST", "/v1/events", b'{"model": "stranger"}', JSON)

    assert before == guarded.services.store.counts().series


def test_a_refusal_is_counted_with_its_route(token_files):
    """Under the class of its status, like any other."""
    with service(**token_files) as served:
        ask(served, "GET", "/v1/series")
        scrape = ask(served, "GET", "/metrics", f"Bearer {TOKENS[Role.READ]}").text()

    assert 'embedding_exporter_request_duration_seconds_count{route="/v1/series",code="4xx"} 1.0' in scrape


def test_the_document_says_what_is_wanted(guarded, token_files):
    """As things stand: nothing is wanted where nothing was set up."""
    document = ask(guarded, "GET", "/openapi.json", f"Bearer {TOKENS[Role.READ]}").json()
    with service() as served:
        open_document = served.get("/openapi.json").json()

    assert {*Role, "password"} == set(document["components"]["securitySchemes"])
    for route in ROUTES:
        if not route.in_document:
            continue
        told = document["paths"][route.path][route.method.lower()]
        role = ROLES[route.tag]
        wanted = None if role is None else [{each: []} for each in dict.fromkeys((role, Role.ADMIN))]
        assert wanted == told.get("security")
        assert (role is not None) == ({"401", "403"} <= set(told["responses"]))
        assert "security" not in open_document["paths"][route.path][route.method.lower()]


def test_users_are_let_in_everywhere(tmp_path):
    """Basic authentication by the web configuration, with no tokens beside it."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{prometheus: {hashed}}}")
    right = "Basic " + base64.b64encode(b"prometheus:secret").decode()
    with service(web_config_file=tmp_path / "web.yml") as served:
        for route in ROUTES:
            if ROLES[route.tag] is not None:
                refused = ask(served, route.method, route.path)
                assert 401 == refused.status
                assert refused.headers["www-authenticate"].startswith("Basic ")
                assert ask(served, route.method, route.path, right).status not in {401, 403}


def at(served, listener, method, path):
    """A request that came in at this listener."""
    app = served.app

    async def with_listener(scope, receive, send):
        await app({**scope, "state": {"listener": listener}}, receive, send)

    served.app = with_listener
    try:
        return ask(served, method, path).status
    finally:
        served.app = app


@every_way
def test_with_a_second_listener_what_is_read_is_answered_there_alone(route, method, path):
    """And what is open to everybody at both."""
    from app.config import Address  # noqa: PLC0415

    role = ROLES[route.tag]
    with service(metrics_listen=Address("127.0.0.1", 0)) as served:
        answers = {name: at(served, name, method, path) for name in ("main", "metrics")}
        unknown = served.ask(method, filled(path), b"[]", JSON).status

    wanted = {"main", "metrics"} if role is None else {"metrics"} if role is Role.READ else {"main"}
    for name, status in answers.items():
        assert status == (unknown if name in wanted else 404)
