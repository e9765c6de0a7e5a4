"""A token and the exporter's certificates, as the client has them."""

import ssl
import subprocess

import pytest
from embedding_drift_client import DriftClient

PATIENCE_SECONDS = 10.0


def authorization(exporter, client):
    """What the next batch is sent with."""
    client.record(norm=1.0)
    assert client.flush(PATIENCE_SECONDS)
    _, headers = exporter.wait_for_request()
    return headers.get("Authorization")


def test_without_a_token_none_is_sent(exporter, make_client):
    """As before there were any."""
    assert authorization(exporter, make_client()) is None


def test_a_token_is_sent_with_each_batch(exporter, make_client):
    """As a bearer token."""
    client = make_client(token="token-0123456789")

    assert ["Bearer token-0123456789"] * 2 == [authorization(exporter, client) for _ in range(2)]


def test_a_token_file_is_read_for_each_batch(exporter, make_client, tmp_path):
    """Its first line; replaced while the process runs, and waited for where it is not there yet."""
    path = tmp_path / "token"
    path.write_text("\nformer-0123456789 \nnext-0123456789\n")
    client = make_client(token_file=str(path))

    first = authorization(exporter, client)
    path.write_text("latter-0123456789")

    assert ["Bearer former-0123456789", "Bearer latter-0123456789"] == [first, authorization(exporter, client)]


@pytest.mark.parametrize("content", [None, b"", b"two words", b"t\xc3\xb6ken", b"a\x00b"])
def test_a_token_file_that_holds_none_is_no_reply(exporter, make_client, no_pauses, tmp_path, content):
    """The batch is tried again, as without a connection, and the thread lives on."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    client = make_client(token_file=str(path))
    client.record(norm=1.0)

    assert client.flush(PATIENCE_SECONDS)
    assert 1 == client.stats.failed
    path.write_text("token-0123456789")
    assert "Bearer token-0123456789" == authorization(exporter, client)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"token": "a", "token_file": "b"}, "give one of them"),
        ({"token": "a\r\nX-Other: b"}, "printable ASCII"),
        ({"token": ""}, "printable ASCII"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file cannot be used: FileNotFoundError"),
        ({"ca_file": __file__}, "ca_file cannot be used: SSLError"),
    ],
)
def test_what_can_never_work_is_said_at_once(arguments, said):
    """And not what was given: it may be a secret."""
    with pytest.raises(ValueError, match=said):
        DriftClient("https://localhost:1", **arguments)


@pytest.fixture
def certificate(tmp_path):
    """A certificate of its own authority, and its key."""
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_an_exporter_is_known_by_the_certificates_of_ca_file(exporter, no_pauses, certificate):
    """And one that is not known is sent nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    exporter.server.socket = context.wrap_socket(exporter.server.socket, server_side=True)
    url = exporter.url.replace("http:", "https:")
    settings = {"model": "e5", "flush_interval_seconds": 3600.0}
    exporter.server.handle_error = lambda request, address: None
    with DriftClient(url, ca_file=str(certificate[0]), **settings) as known, DriftClient(url, **settings) as unknown:
        for client in (known, unknown):
            client.record(norm=1.0)
            assert client.flush(PATIENCE_SECONDS)
        outcomes = (known.stats.accepted, unknown.stats.failed)

    assert (1, 1) == outcomes
    assert 1 == len(exporter.batches)


def test_ca_file_wants_https(certificate):
    """Else it would look as if something were checked."""
    with pytest.raises(ValueError, match="begins with https"):
        DriftClient("http://localhost:1", ca_file=str(certificate[0]))
