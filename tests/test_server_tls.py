"""TLS, client certificates, users and the second listener: the service as it is run, certificates of a real chain."""

import base64
import http.client
import json
import re
import socket
import ssl
import subprocess
import time
from pathlib import Path

import bcrypt
import pytest
import yaml

from app.access import web_config
from tests.certificates import Authority
from tests.process import STOP_SECONDS, process
from tests.service import event

PATIENCE_SECONDS = 30
ROOT = Path(__file__).resolve().parent.parent


class Estate:
    """An authority, an intermediate, and a folder with what they issued and a web configuration that names it."""

    def __init__(self, folder):
        self.folder = folder
        self.root = Authority("test root")
        self.between = Authority("test intermediate", self.root)
        (folder / "root.pem").write_bytes(self.root.pem)
        self.issue("server", "localhost", addresses=["127.0.0.1"])

    def issue(self, name, *names, by=None, **others):
        certificate, key = (by or self.between).issue(name, *names, **others)
        # The certificate is replaced before its key, as other tools do.
        for suffix, content in (("pem", certificate), ("key", key)):
            beside = self.folder / f"{name}.new"
            beside.write_bytes(content)
            beside.rename(self.folder / f"{name}.{suffix}")

    def configure(self, **sections):
        """The path of a web configuration with TLS; `client` goes into its section."""
        path = self.folder / "web.yml"
        tls = {"cert_file": "server.pem", "key_file": "server.key", **sections.pop("client", {})}
        path.write_text(yaml.safe_dump({"tls_server_config": tls, **sections}))
        return path

    def context(self, client=None):
        """What a client of this estate has, who knows the root alone."""
        context = ssl.create_default_context(cafile=self.folder / "root.pem")
        if client is not None:
            context.load_cert_chain(self.folder / f"{client}.pem", self.folder / f"{client}.key")
        return context


@pytest.fixture
def estate(tmp_path):
    return Estate(tmp_path)


def serial(made, context):
    """The serial number of the certificate that a new connection is shown."""
    plain = socket.create_connection((made.host, made.port), PATIENCE_SECONDS)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        return secure.getpeercert()["serialNumber"]


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


CLIENT_CERTIFICATE = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "root.pem"}
REFUSED = (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)


def test_promtool_takes_the_same_file(estate, promtool):
    """What works here works with every exporter that reads the format."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(10)).decode()
    path = estate.configure(
        # client_allowed_sans is younger than the promtool of Debian 12.
        client={**CLIENT_CERTIFICATE, "min_version": "TLS12"},
        basic_auth_users={"prometheus": hashed},
        http_server_config={"http2": False, "headers": {"X-Frame-Options": "deny"}},
    )

    said = subprocess.run([promtool, "check", "web-config", str(path)], capture_output=True, text=True, check=False)

    assert 0 == said.returncode, said.stdout + said.stderr


BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "security.md").read_text(), re.DOTALL)


def test_the_web_configuration_of_the_page_is_right(tmp_path):
    """docs/security.md."""
    (block,) = [each for each in BLOCKS if "tls_server_config" in each]
    (tmp_path / "web.yml").write_text(block)

    read = web_config.read(tmp_path / "web.yml")

    assert tmp_path / "server.pem" == read.tls.cert_file
    assert bcrypt.checkpw(b"an example", read.users["prometheus"])


@pytest.mark.parametrize("block", [each for each in BLOCKS if "scrape_configs" in each])
def test_the_scrape_configurations_of_the_page_are_right(tmp_path, promtool, block):
    """Their files are not there: the syntax is."""
    path = tmp_path / "prometheus.yml"
    path.write_text(block)

    said = subprocess.run(
        [promtool, "check", "config", "--syntax-only", str(path)], capture_output=True, text=True, check=False
    )

    assert 0 == said.returncode, said.stdout + said.stderr


def test_r31_tls_with_a_chain_users_and_headers(estate):
    """The root is all that a client needs; health stays open; plain HTTP gets nowhere."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    web = estate.configure(
        basic_auth_users={"prometheus": hashed}, http_server_config={"headers": {"X-Frame-Options": "deny"}}
    )
    right = {"Authorization": "Basic " + base64.b64encode(b"prometheus:secret").decode()}
    with process(estate.folder, "--web.config.file", str(web), context=estate.context()) as made:
        made.started()
        assert 401 == made.ask("GET", "/metrics")[0]
        assert 200 == made.ask("GET", "/metrics", headers=right)[0]
        assert 202 == made.ask("POST", "/v1/events", json.dumps(event()), headers=right)[0]
        made.context = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            made.ask("GET", "/-/healthy")
        made.context = estate.context()
        with made.connect(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n") as plain:
            assert not plain.recv(100).startswith(b"HTTP/1.1 200")
        connection = http.client.HTTPSConnection(made.host, made.port, context=made.context)
        connection.request("GET", "/-/healthy")
        assert "deny" == connection.getresponse().getheader("X-Frame-Options")
        connection.close()
        closed = 'embedding_exporter_closed_connections_total{reason="handshake"}'
        scrape = made.ask("GET", "/metrics", headers=right)[1].decode()
        log = made.log()

    assert f"{closed} 2.0" in scrape
    assert "Traceback" not in log
    assert "secret" not in log


def test_r31_client_certificates(estate):
    """Wanted, of this authority, and with a name that is let in; scraped with it as ever."""
    estate.issue("prometheus", "prometheus")
    estate.issue("stranger", "stranger")
    estate.issue("forger", "prometheus", by=Authority("other root"))
    web = estate.configure(client={**CLIENT_CERTIFICATE, "client_allowed_sans": ["prometheus"]})
    with process(estate.folder, "--web-config-file", str(web), context=estate.context("prometheus")) as made:
        made.started()
        assert 200 == made.ask("GET", "/metrics")[0]
        for client in (None, "stranger", "forger"):
            made.context = estate.context(client)
            with pytest.raises(REFUSED):
                made.ask("GET", "/metrics")
        made.context = estate.context("prometheus")
        scrape = made.ask("GET", "/metrics")[1].decode()

    assert 'embedding_exporter_closed_connections_total{reason="handshake"} 3.0' in scrape


def test_r31_certificates_and_tokens_are_replaced_while_it_runs(estate):
    """The next connection is shown the new one, the open one goes on; a broken pair in between changes nothing."""
    tokens = estate.folder / "tokens"
    tokens.write_text("former-0123456789")
    web = estate.configure()
    flags = ("--web-config-file", str(web), "--read-token-file", str(tokens))
    with process(estate.folder, *flags, context=estate.context()) as made:
        made.started()
        before = serial(made, made.context)
        kept = http.client.HTTPSConnection(made.host, made.port, context=made.context, timeout=PATIENCE_SECONDS)
        kept.request("GET", "/-/healthy")
        kept.getresponse().read()

        estate.issue("server", "localhost", addresses=["127.0.0.1"])
        tokens.write_text("latter-0123456789")
        wait_until(lambda: serial(made, made.context) != before)

        kept.request("GET", "/-/healthy")
        assert 200 == kept.getresponse().status
        kept.close()
        statuses = [
            made.ask("GET", "/metrics", headers={"Authorization": f"Bearer {age}-0123456789"})[0]
            for age in ("former", "latter")
        ]
        assert [401, 200] == statuses

        (estate.folder / "server.key").write_text("broken")
        right = {"Authorization": "Bearer latter-0123456789"}
        failed = b"embedding_exporter_access_reload_failed 1.0"
        wait_until(lambda: failed in made.ask("GET", "/metrics", headers=right)[1])
        log = made.log()

    assert "files of access are wrong" in log
    assert "0123456789" not in log


def test_a_handshake_that_does_not_come_holds_nobody_up(estate):
    """Each is given up in time, and makes room before that."""
    web = estate.configure()
    flags = ("--web-config-file", str(web), "--request-timeout-seconds", "2", "--max-connections", "10")
    with process(estate.folder, *flags, context=estate.context()) as made:
        made.started()
        silent = [made.connect(b"\x16\x03\x01" if number % 2 else b"") for number in range(30)]
        assert 200 == made.ask("GET", "/metrics")[0]
        for each in silent:
            try:
                while each.recv(1000):
                    pass
            except ConnectionError:
                pass
            each.close()
        scrape = made.ask("GET", "/metrics")[1].decode()
        log = made.log()

    crowded = float(scrape.partition('closed_connections_total{reason="crowded"} ')[2].split()[0])
    handshake = float(scrape.partition('closed_connections_total{reason="handshake"} ')[2].split()[0])
    assert 30 <= crowded + handshake
    assert "Traceback" not in log


def test_a_second_listener_answers_those_who_read(tmp_path):
    """And the first one those who send; health is at both."""
    with process(tmp_path, "--metrics-listen", "127.0.0.1:0") as made:
        other = int(made.wait_for(r'event="listening for readers" .*url=http://[\w.]+:(\d+)/', PATIENCE_SECONDS)[1])
        made.wait_for(r"event=listening ", PATIENCE_SECONDS)
        made.started()
        answers = {
            (path, port): made.ask("GET", path, port=port)[0]
            for path in ("/metrics", "/v1/series", "/", "/v1/baselines", "/-/healthy")
            for port in (made.port, other)
        }
        posted = [made.ask("POST", "/v1/events", json.dumps(event()), port=port)[0] for port in (made.port, other)]
        made.signal(15)
        code = made.exit_code(STOP_SECONDS)

    for path in ("/metrics", "/v1/series", "/"):
        assert [404, 200] == [answers[path, made.port], answers[path, other]]
    assert [200, 404] == [answers["/v1/baselines", made.port], answers["/v1/baselines", other]]
    assert [200, 200] == [answers["/-/healthy", made.port], answers["/-/healthy", other]]
    assert [202, 404] == posted
    assert 0 == code


@pytest.mark.parametrize(
    ("flag", "content", "said"),
    [
        ("--web-config-file", "tls_server_config: {cert_file: nowhere.pem, key_file: nowhere.key}", "nowhere.pem"),
        ("--web-config-file", "tls_servers: {}", "known, nearest first: tls_server_config"),
        ("--read-token-file", "short", "a token is at least 16"),
    ],
)
def test_a_wrong_file_of_access_ends_the_start(tmp_path, flag, content, said):
    """Exit code 1, and what would be right; never open instead."""
    path = tmp_path / "file"
    path.write_text(content)
    with process(tmp_path, flag, str(path)) as made:
        code = made.exit_code(PATIENCE_SECONDS)
        log = made.log()

    assert 1 == code
    assert said in log
    assert "Traceback" not in log


def test_what_is_open_beyond_this_machine_is_a_metric(tmp_path):
    """For an alert: tokens for ingest close the administrators' role too, and leave the scrape open."""
    (tmp_path / "tokens").write_text("token-0123456789")
    with process(tmp_path, "--ingest-token-file", str(tmp_path / "tokens"), listen="0.0.0.0:0") as made:
        made.started()
        scrape = made.ask("GET", "/metrics")[1].decode()
        log = made.log()

    for role, value in {"ingest": 0, "read": 1, "admin": 0}.items():
        assert f'embedding_exporter_unprotected{{role="{role}"}} {value:.1f}' in scrape
    assert "without TLS" in log
    assert "without authentication" not in log
