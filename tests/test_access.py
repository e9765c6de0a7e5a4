"""Who may do what: the files that say so, and what they open and close."""

import asyncio
import base64
import os

import bcrypt
import pytest

from app.access import Access, AccessError, Files, Role, passwords, tokens, web_config
from app.access.passwords import BusyError, Passwords
from app.access.tls import admitted
from app.access.web_config import Tls
from tests.certificates import Authority

TOKENS = {role: f"{role}-0123456789abcdef" for role in Role}
HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def access(folder, *roles, web=None):
    """Access with tokens for these roles, and a web configuration of this text."""
    files = {}
    for role in roles:
        files[role] = folder / f"{role}.token"
        files[role].write_text(TOKENS[role] + "\n")
    path = None
    if web is not None:
        path = folder / "web.yml"
        path.write_text(web)
    return Access(Files(path, files))


def refusal(made, role, authorization=None):
    return asyncio.run(made.refusal(role, authorization))


USERS = f"basic_auth_users:\n  prometheus: {HASH}\n"


def test_without_files_everything_is_open():
    """As the exporter runs with no configuration."""
    made = Access(Files())

    assert [None] * 3 == [refusal(made, role) for role in Role]
    assert made.context is None
    assert all(made.unprotected(role) for role in Role)


@pytest.mark.parametrize("role", Role)
def test_a_token_opens_its_role_and_that_of_an_administrator_every_role(tmp_path, role):
    """401 without one and with a wrong one, 403 with one of another role."""
    made = access(tmp_path, *Role)

    assert refusal(made, role, f"Bearer {TOKENS[role]}") is None
    assert refusal(made, role, f"bearer {TOKENS[Role.ADMIN]}") is None
    for wrong in (None, "", "Bearer", f"Bearer {TOKENS[role]}x", TOKENS[role], f"Token {TOKENS[role]}", "Bearer \xff"):
        refused = refusal(made, role, wrong)
        assert 401 == refused.status
        assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="')
    for other in {*Role} - {role, Role.ADMIN}:
        refused = refusal(made, role, f"Bearer {TOKENS[other]}")
        assert 403 == refused.status
        assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
        assert TOKENS[other] not in refused.message


def test_a_role_without_tokens_stays_open_but_for_the_administrators(tmp_path):
    """Whoever closes ingest means to leave the scrape open, and not the baselines."""
    made = access(tmp_path, Role.INGEST)

    assert refusal(made, Role.READ) is None
    assert 401 == refusal(made, Role.ADMIN).status
    assert 403 == refusal(made, Role.ADMIN, f"Bearer {TOKENS[Role.INGEST]}").status
    assert [False, True, False] == [made.unprotected(role) for role in Role]


def test_a_user_may_do_everything(tmp_path):
    """As with every exporter that reads this file; beside tokens, either will do."""
    made = access(tmp_path, Role.INGEST, web=USERS)

    for role in Role:
        assert refusal(made, role, basic("prometheus", "secret")) is None
        assert 401 == refusal(made, role, basic("prometheus", "wrong")).status
        assert 401 == refusal(made, role, basic("nobody", "secret")).status
        assert "Basic realm=" in refusal(made, role).headers["WWW-Authenticate"]
    assert refusal(made, Role.INGEST, f"Bearer {TOKENS[Role.INGEST]}") is None


@pytest.mark.parametrize("credentials", ["", "!", "bm9jb2xvbg==", "//8=", base64.b64encode(b"\xff:\xff").decode()])
def test_credentials_that_are_none_are_wrong(tmp_path, credentials):
    """Not base64, no colon, not UTF-8: the client's affair."""
    assert 401 == refusal(access(tmp_path, web=USERS), Role.READ, f"Basic {credentials}").status


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_each_spelling_of_bcrypt_is_known(tmp_path, prefix):
    """htpasswd writes $2y$."""
    made = access(tmp_path, web=f"basic_auth_users: {{prometheus: {prefix}{HASH[4:]}}}")

    assert refusal(made, Role.READ, basic("prometheus", "secret")) is None


@pytest.mark.parametrize("password", ["x" * 73, "secret\0", ""])
def test_a_password_that_bcrypt_would_cut_is_wrong(tmp_path, password):
    """Not as right as its beginning."""
    hashed = bcrypt.hashpw(password[:6].encode() if password != "x" * 73 else b"x" * 72, bcrypt.gensalt(4)).decode()
    made = access(tmp_path, web=f"basic_auth_users: {{prometheus: {hashed}}}")

    assert (password == "") == (refusal(made, Role.READ, basic("prometheus", password)) is None)


def test_a_password_is_computed_once_and_beside_the_loop(monkeypatch):
    """Right or wrong, known name or not: a scraper asks every 15 seconds."""
    computed = []

    def checkpw(password, hashed):
        computed.append(password)
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return password == b"secret"

    monkeypatch.setattr("app.access.passwords.bcrypt.checkpw", checkpw)
    made = Passwords()
    users = {"prometheus": HASH.encode()}

    async def ask(name, password, users=users):
        return await made.right(users, basic(name, password).partition(" ")[2])

    async def go():
        answers = []
        for _ in range(3):
            answers += [await ask("prometheus", "secret"), await ask("prometheus", "no"), await ask("nobody", "secret")]
        other = HASH[:-1].encode() + (b"/" if HASH.endswith(".") else b".")
        replaced = await ask("prometheus", "secret", {"prometheus": other})
        return answers, replaced

    answers, replaced = asyncio.run(go())

    assert [True, False, False] * 3 == answers
    assert replaced
    assert 4 == len(computed), "an unknown name takes as long, and a replaced hash is asked anew"


def test_guesses_wait_in_a_bounded_queue(monkeypatch):
    """One at a time is computed; too many at once are told to come again, and leave nothing behind."""
    monkeypatch.setattr("app.access.passwords.bcrypt.checkpw", lambda password, hashed: False)
    made = Passwords()
    users = {"prometheus": HASH.encode()}

    async def go():
        guesses = (made.right(users, basic("prometheus", str(n)).partition(" ")[2]) for n in range(40))
        return await asyncio.gather(*guesses, return_exceptions=True)

    answers = asyncio.run(go())

    assert passwords.MAX_WAITING == answers.count(False)
    assert 40 - passwords.MAX_WAITING == sum(isinstance(each, BusyError) for each in answers)


def test_remembered_passwords_are_bounded(monkeypatch):
    """Guesses do not fill the memory."""
    monkeypatch.setattr("app.access.passwords.bcrypt.checkpw", lambda password, hashed: False)
    made = Passwords()

    async def go():
        for number in range(2 * passwords.REMEMBERED):
            await made.right({}, basic("prometheus", str(number)).partition(" ")[2])

    asyncio.run(go())

    assert passwords.REMEMBERED == len(made._known)


# Token files


def test_several_tokens_of_a_file_hold_at_once(tmp_path):
    """The old and the new one, while they are replaced."""
    path = tmp_path / "token"
    path.write_text("\n  old-0123456789abcdef \r\n\nnew-0123456789abcdef==")
    held = {Role.READ: tokens.read(path)}

    for token in ("old-0123456789abcdef", "new-0123456789abcdef=="):
        assert {Role.READ} == tokens.roles(held, token)
    assert set() == tokens.roles(held, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there is no token in it"),
        (b"  \n\n", "there is no token in it"),
        (b"short", "token:1: a token is at least 16"),
        (b"good-0123456789abcdef\nwith space 0123456789", "token:2: a token is"),
        ("pässword-0123456789".encode(), "a token is"),
        (None, "No such file"),
    ],
)
def test_a_wrong_token_file_is_said_without_what_is_in_it(tmp_path, content, said):
    """The message goes to the log."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(AccessError, match=said) as refused:
        tokens.read(path)

    assert "0123456789" not in str(refused.value)


# The web configuration


WRONG = {
    "- a": "must be a mapping",
    "a: [": "not YAML",
    "basic_auth_users: {a: b, a: c}": "has a key twice",
    "tls_config: {}": "tls_config is not known here; known, nearest first: tls_server_config",
    "tls_server_config: {cert_file: a, key_fil: b}": "key_fil is not known here; known, nearest first: key_file",
    "tls_server_config: {cert_file: a}": "cert_file and key_file are required",
    "tls_server_config: {}": "cert_file and key_file are required",
    "tls_server_config: {cert_file: a, key_file: b, cipher_suites: []}": "cipher_suites is not known here",
    "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert}": (
        "client_auth_type must be one of NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"
    ),
    "tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}": "client_ca_file and a client_auth_type of",
    "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}": "belong together",
    "tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: [c]}": "client_allowed_sans needs",
    "tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: c}": "must be a list of names",
    "tls_server_config: {cert_file: a, key_file: b, min_version: TLS9}": "min_version must be one of TLS12, TLS13",
    "tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}": "min_version is above",
    "tls_server_config: {cert_file: 7, key_file: b}": "cert_file must be text",
    "tls_server_config: [1]": "tls_server_config: must be a mapping",
    "http_server_config: {http2: maybe}": "http2 must be true or false",
    "http_server_config: {headers: {X-Other: a}}": "X-Other is not known here; known, nearest first: X-",
    'http_server_config: {headers: {X-Frame-Options: "a\\nb"}}': "X-Frame-Options must be text on one line",
    "basic_auth_users: {prometheus: secret-in-clear}": "bcrypt hash",
    "basic_auth_users: {'a:b': $2y$10$}": "bcrypt hash",
    "basic_auth_users: {7: a}": "must be a mapping of names",
    "? [a]\n: b": "not YAML",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_web_configuration_names_what_would_be_right(tmp_path, text):
    """One line, with the file, and without a password or a hash."""
    path = tmp_path / "web.yml"
    path.write_text(text)

    with pytest.raises(AccessError) as refused:
        web_config.read(path)

    assert str(refused.value).startswith(str(path))
    assert WRONG[text] in str(refused.value)
    assert "secret-in-clear" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{}", "http_server_config: {http2: false}", "basic_auth_users: {}"])
def test_an_empty_web_configuration_closes_nothing(tmp_path, text):
    """Plain HTTP for everybody, as with every exporter that reads this file."""
    made = access(tmp_path, web=text)

    assert made.context is None
    assert frozenset() == made.closed


def test_headers_stand_for_every_reply(tmp_path):
    """Those that the format has."""
    made = access(tmp_path, web="http_server_config: {headers: {X-Frame-Options: deny}}")

    assert [(b"x-frame-options", b"deny")] == made.headers


# Certificates


def with_certificate(folder, more=""):
    certificate, key = Authority("test").issue("localhost", "localhost")
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    return f"tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n{more}"


@pytest.mark.parametrize("broken", ["cert.pem", "key.pem"])
@pytest.mark.parametrize("content", [None, b"", b"no pem"])
def test_a_certificate_that_cannot_be_used_is_said_with_its_file(tmp_path, broken, content):
    """Relative to the configuration."""
    web = with_certificate(tmp_path)
    (tmp_path / broken).unlink()
    if content is not None:
        (tmp_path / broken).write_bytes(content)

    with pytest.raises(AccessError) as refused:
        access(tmp_path, web=web)

    assert str(tmp_path / broken) in str(refused.value)


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(tmp_path):
    """OpenSSL would ask at the terminal, and the start would hang."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    web = with_certificate(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    (tmp_path / "key.pem").write_bytes(key)

    with pytest.raises(AccessError, match="without password"):
        access(tmp_path, web=web)


@pytest.mark.parametrize(
    ("names", "certificate", "let_in"),
    [
        ((), {"subjectAltName": (("DNS", "other"),)}, True),
        (("prometheus",), None, True),
        (("prometheus",), {"subjectAltName": (("DNS", "prometheus"),)}, True),
        (("prometheus",), {"subjectAltName": (("DNS", "a"), ("URI", "prometheus"))}, True),
        (("prometheus",), {"subjectAltName": (("DNS", "prometheus.evil"),)}, False),
        (("prometheus",), {"subject": ((("commonName", "prometheus"),),)}, False),
        (("10.0.0.1",), {"subjectAltName": (("IP Address", "10.0.0.1"),)}, True),
        (("::1",), {"subjectAltName": (("IP Address", "0:0:0:0:0:0:0:1"),)}, True),
        (("10.0.0.1",), {"subjectAltName": (("IP Address", "10.0.0.2"),)}, False),
    ],
)
def test_a_client_comes_in_by_its_alternative_names(tmp_path, names, certificate, let_in):
    """Exactly, and never by its common name."""
    assert let_in == admitted(Tls(tmp_path, tmp_path, client_allowed_sans=names), certificate)


# Reading again


def replace(path, content):
    """As secrets are replaced: another file under the same name."""
    beside = path.with_suffix(".new")
    beside.write_text(content)
    beside.rename(path)


def test_tokens_are_read_again_when_their_file_changes(tmp_path):
    """Without a restart; the old one is out."""
    made = access(tmp_path, Role.READ)
    before = made.closed
    replace(tmp_path / "read.token", "another-0123456789")
    assert refusal(made, Role.READ, f"Bearer {TOKENS[Role.READ]}") is None

    made.refresh()

    assert 401 == refusal(made, Role.READ, f"Bearer {TOKENS[Role.READ]}").status
    assert refusal(made, Role.READ, "Bearer another-0123456789") is None
    assert before == made.closed


@pytest.mark.parametrize("damage", ["", "short", None])
def test_what_held_before_holds_while_a_file_is_wrong(tmp_path, capfd, damage):
    """Nobody is locked out or let in by half a file; it is said once, and taken when it is right."""
    made = access(tmp_path, Role.READ)
    path = tmp_path / "read.token"
    path.unlink()
    if damage is not None:
        path.write_text(damage)
    for _ in range(3):
        made.refresh()

    assert made.reload_failed
    assert refusal(made, Role.READ, f"Bearer {TOKENS[Role.READ]}") is None
    assert 1 == capfd.readouterr().out.count("files of access are wrong")

    path.write_text("another-0123456789")
    made.refresh()

    assert not made.reload_failed
    assert refusal(made, Role.READ, "Bearer another-0123456789") is None


def test_a_certificate_is_taken_with_its_key_and_not_before(tmp_path):
    """They are two files, and replaced one after the other."""
    made = access(tmp_path, web=with_certificate(tmp_path))
    before = made.context
    certificate, key = Authority("other").issue("localhost", "localhost")

    replace(tmp_path / "cert.pem", certificate.decode())
    made.refresh()
    between = made.context, made.reload_failed
    replace(tmp_path / "key.pem", key.decode())
    made.refresh()

    assert (before, True) == between
    assert before is not made.context
    assert not made.reload_failed


def test_files_that_did_not_change_are_not_read(tmp_path, monkeypatch):
    """A stat each, every second."""
    made = access(tmp_path, *Role, web=with_certificate(tmp_path, USERS))
    monkeypatch.setattr(Files, "read", lambda self: pytest.fail("read"))

    made.refresh()
    os.utime(tmp_path / "read.token")
    with pytest.raises(pytest.fail.Exception):
        made.refresh()
