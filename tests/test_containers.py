"""The compose file: its form, and its containers' commands run by hand with Debian's programs, for want of a daemon."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from app.cli import main
from prometheus import template
from tests.conftest import _program

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"
PROJECT = yaml.safe_load(FILE.read_text())
SERVICES = PROJECT["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("embedding-drift-exporter:")]
USER = "65532"
DEADLINE_SECONDS = 60.0

every_service = pytest.mark.parametrize("name", SERVICES)


def words(name):
    """What a container runs after its program, with the defaults of variables."""
    command = [*SERVICES[name].get("entrypoint", [])[1:], *SERVICES[name].get("command", [])]
    return [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in command]


def by_schema(file):
    """What the schema of the compose specification, which check-jsonschema brings, has to say."""
    program = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", file], capture_output=True, text=True, check=False
    )


def test_the_file_is_a_compose_file(tmp_path):
    """Its keys and values are those of the specification; a slip in one would be told."""
    checked = by_schema(FILE)
    slip = tmp_path / "docker-compose.yml"
    slip.write_text(FILE.read_text().replace("cap_drop", "cap_drops", 1))

    assert 0 == checked.returncode, checked.stdout + checked.stderr
    assert 0 != by_schema(slip).returncode


def test_all_that_the_stack_needs_is_in_it():
    """The exporter, its traffic, who scrapes, who tells, who is told, who draws."""
    assert {"exporter", "demonstration", "prometheus", "alertmanager", "pager", "grafana", "configuration"} == set(
        SERVICES
    )


@every_service
def test_an_image_is_pinned(name):
    """To a version, and a version that runs for all: no latest. Ours is built once, and never looked for elsewhere."""
    service = SERVICES[name]

    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])
    if name in OURS:
        assert ("build" in service) == (name == "exporter")
        assert name == "exporter" or service["pull_policy"] == "never"


@every_service
def test_a_service_may_do_little(name):
    """No capability, no way to more of them, and a root that cannot be written; Grafana writes its own."""
    service = SERVICES[name]

    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert name == "grafana" or service["read_only"]


@every_service
def test_a_service_is_watched(name):
    """A health check of its own, or the image's; none where the image's would ask another service."""
    service = SERVICES[name]
    if name == "exporter":
        assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    elif name in OURS:
        assert {"disable": True} == service["healthcheck"]
    else:
        assert re.search(r"127\.0\.0\.1:\d+/(-/healthy|api/health)$", service["healthcheck"]["test"][-1])
    assert name == "configuration" or "unless-stopped" == service["restart"]


@every_service
def test_what_a_service_mounts_and_waits_for_exists(name):
    """Files of this project read-only, volumes that are declared, services that are there."""
    service = SERVICES[name]
    for mount in service.get("volumes", []):
        source, _, rest = (mount["source"], "", "") if isinstance(mount, dict) else mount.partition(":")
        if source.startswith("./"):
            assert (ROOT / source).exists()
            assert rest.endswith(":ro")
        else:
            assert source in PROJECT["volumes"]
    assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_what_shares_a_namespace_publishes_its_port_there():
    """The loopback addresses of the shipped files are those of one machine, and of one namespace."""
    published = {int(port.rpartition(":")[2]) for port in SERVICES["exporter"]["ports"]}
    shared = [name for name, service in SERVICES.items() if service.get("network_mode") == "service:exporter"]

    assert {10877, 9090, 9093, 3000} == published
    assert {"demonstration", "pager", "prometheus", "alertmanager", "grafana"} == set(shared)
    listened = words("pager")[-1]
    assert template.ADDRESSES["receiver"] == listened


def test_exporter_and_demonstration_are_told_what_the_command_line_takes(capsys):
    """The settings are valid; the demonstration plays for the exporter, at the pace that both were given."""
    serve = words("exporter")

    assert "serve" == serve[0]
    assert 0 == main(["check-config", *serve[1:]], environ={})
    assert "time_scale: 288" in capsys.readouterr().out
    assert ["demo", "--exporter", "http://127.0.0.1:10877"] == words("demonstration")
    for command in (serve, words("configuration")):
        assert "288" == command[command.index("--time-scale") + 1]


def get(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as reply:
        return reply.read().decode()


@pytest.fixture
def started(tmp_path):
    """A function that starts a program and waits for a page; all are killed in the end."""
    running = []

    def start(command, url, **options):
        log = tmp_path / f"log-{len(running)}"
        with log.open("w") as output:
            running.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                    **options,
                )
            )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline and running[-1].poll() is None:
            try:
                return get(url), running[-1], log
            except OSError:
                time.sleep(0.05)
        return pytest.fail(f"not within {DEADLINE_SECONDS:g} s, or it ended:\n{log.read_text()[-4000:]}")

    yield start
    for each in running:
        each.terminate()
        each.wait()


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def configuration(tmp_path):
    """What the service `configuration` writes, by its own command; Prometheus scrapes another place here."""
    directory, exporter = tmp_path / "configuration", free_address()
    command = [word.replace("/configuration", str(directory)) for word in words("configuration")]
    made = subprocess.run(
        [sys.executable, *command, "--exporter", exporter], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (0, "") == (made.returncode, made.stderr)
    return directory


def by_hand(name, places, *more):
    """The command of a container, with its directories where they are here, and its address a free one."""
    address = free_address()
    command = words(name)
    for inside, here in places.items():
        command = [re.sub(rf"={inside}(?=/|$)", f"={here}", word) for word in command]
    return address, [*command, f"--web.listen-address={address}", *more]


def test_prometheus_runs_as_its_container_does(started, configuration, prometheus, promtool, tmp_path):
    """Debian's binary takes its flags and files, with every rule; promtool has nothing to say."""
    places = {"/etc/prometheus": configuration, "/prometheus": tmp_path / "data"}
    address, command = by_hand("prometheus", places)

    checked = subprocess.run(
        [promtool, "check", "config", configuration / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    started([prometheus, *command], f"http://{address}/-/ready")
    rules = json.loads(get(f"http://{address}/api/v1/rules"))["data"]["groups"]

    assert 0 == checked.returncode, checked.stdout + checked.stderr
    shipped = [yaml.safe_load(path.read_text()) for path in (ROOT / "prometheus" / "rules").glob("*.yml")]
    assert {group["name"] for each in shipped for group in each["groups"]} == {group["name"] for group in rules}


def test_alertmanager_runs_as_its_container_does(started, configuration, tmp_path):
    """Debian's binary takes its flags and files; amtool has nothing to say."""
    binary = _program("prometheus-alertmanager", "prometheus-alertmanager")
    amtool = _program("amtool", "prometheus-alertmanager")
    places = {"/etc/alertmanager": configuration, "/alertmanager": tmp_path / "data"}
    address, command = by_hand("alertmanager", places)

    checked = subprocess.run(
        [amtool, "check-config", configuration / "alertmanager.yml"], capture_output=True, text=True, check=False
    )
    started([binary, *command], f"http://{address}/-/ready")

    assert 0 == checked.returncode, checked.stdout + checked.stderr
    assert "inhibit_rules" in json.loads(get(f"http://{address}/api/v2/status"))["config"]["original"]


READ_ONLY = """
set -eu
mount --make-rprivate /
# Every mount that could be written, as read_only does; /proc and /sys are the container's own business.
while read -r _ at _; do
    case "$at" in /proc*|/sys*) ;; *) mount -o remount,bind,ro "$at" 2>/dev/null || true ;; esac
done </proc/self/mounts
cd /
# What is a volume there, owned as in the image.
[ -z "$VOLUME" ] || mount -t tmpfs -o mode=0700,uid=USER,gid=USER tmpfs "$VOLUME"
exec setpriv --reuid USER --regid USER --clear-groups --no-new-privs --inh-caps=-all,+dac_read_search \\
    --ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search "$@"
"""


def confined(*command, volume=""):
    """A command as the container's user, below a root that is read-only: what a daemon would do, by util-linux.

    It may write below `volume`, a directory.

    The interpreter may lie in a home that others cannot look into, so the right to read everything stays.
    """
    for program in ("unshare", "setpriv"):
        _program(program, "util-linux")
    script = READ_ONLY.replace("USER", USER).replace("$VOLUME", str(volume))
    as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive", "--preserve-env"]
    if as_root and shutil.which("sudo") is None:
        pytest.skip("needs root, for a read-only view of the file system")
    return [*as_root, "unshare", "--mount", "sh", "-c", script, "sh", *map(str, command)]


WRITES = """
import os, sys, tempfile
written = []
for place in ("/", "/tmp", "/var/tmp", "/dev/shm", "/data", os.path.expanduser("~"), *sys.argv[1:]):
    try:
        with open(os.path.join(place, "written"), "w"):
            written.append(place)
    except OSError:
        pass
print(os.getuid(), os.getgid(), os.getgroups(), written)
"""


def test_the_read_only_view_is_one(tmp_path):
    """Where something could be written the test below would show nothing."""
    tmp_path.chmod(0o777)

    done = subprocess.run(confined(sys.executable, "-c", WRITES, tmp_path), capture_output=True, text=True, check=False)

    assert f"{USER} {USER} [] []\n" == done.stdout, done.stderr


def test_the_exporter_serves_as_a_number_that_is_nobody_on_a_read_only_root(started, tmp_path):
    """As its container does: it takes an event, answers a scrape, keeps its state, and complains of nothing."""
    address, volume = free_address(), tmp_path / "data"
    volume.mkdir()
    command = [word.replace("0.0.0.0:10877", address) for word in words("exporter")]
    assert ["state:/data"] == SERVICES["exporter"]["volumes"]
    place = command[command.index("--state-dir") + 1]
    command = [word.replace("/data/", f"{volume}/") for word in command]
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    event = json.dumps({"model": "e5", "embedding": [1.0, 2.0]}).encode()

    _, process, log = started(
        confined(sys.executable, "-m", "app.cli", *command, volume=volume),
        f"http://{address}/-/healthy",
        env=environment,
    )
    request = urllib.request.Request(f"http://{address}/v1/events", event, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()

    assert 'embedding_events_total{model="e5"' in get(f"http://{address}/metrics")
    assert "EmbeddingDriftSevere" in get(f"http://{address}/runbooks/EmbeddingDriftSevere")
    if os.geteuid() == 0:
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert re.search(rf"^Uid:\t{USER}\t{USER}\t{USER}\t{USER}$", status, re.MULTILINE)
        # As the process sees it: the volume is there for it alone.
        kept = Path(f"/proc/{process.pid}/root{volume}") / Path(place).relative_to("/data")
        assert (int(USER), 0o700) == (kept.stat().st_uid, kept.stat().st_mode & 0o777)
        assert {"lock", "input.key", "baselines"} <= {each.name for each in kept.iterdir()}
    said = log.read_text().lower()
    assert not re.search(r"error|denied|read-only|traceback", said), said
