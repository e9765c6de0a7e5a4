"""`make stack` as a stranger runs it: real processes, and Ctrl-C ends them all."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from prometheus.stack import PORTS, PROGRAMS, main
from tests.conftest import _program

ROOT = Path(__file__).parents[1]
DEADLINE_SECONDS = 90.0
"""For the slowest machine: most of it is the training of the demonstration's model."""


def free_ports():
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = dict(zip(PORTS, (probe.getsockname()[1] for probe in probes), strict=True))
    for probe in probes:
        probe.close()
    return ports


def start(ports, temporary, **environment):
    """The stack as a process of its own, whose temporary files are known."""
    options = [f"--{name}-port={port}" for name, port in ports.items()]
    return subprocess.Popen(
        [sys.executable, "-m", "prometheus.stack", *options],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process, words):
    """What the process said up to a line with these words."""
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return "".join(said)
    pytest.fail(f"it ended before it said {words!r}:\n{''.join(said)}")


def children(pid):
    """Every process that this one started, or that those did."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def get(port, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return reply.read().decode()


def until(condition):
    """Ask again and again, within bounds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    return pytest.fail(f"not within {DEADLINE_SECONDS:g} s")


def ended(process):
    """What it said after SIGINT; it must end in order and leave nothing."""
    mine = children(process.pid)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=DEADLINE_SECONDS)

    assert (0, True) == (process.returncode, said.endswith("\nstopped\n")), said
    assert "Traceback" not in said
    assert [] == [pid for pid in mine if Path(f"/proc/{pid}").exists()]
    return mine


def test_everything_is_up_and_ctrl_c_ends_it_without_a_trace(tmp_path, prometheus):
    """Traffic flows, Prometheus scrapes it, Alertmanager is told; then no process, port or file is left."""
    _program("prometheus-alertmanager", "prometheus-alertmanager")
    ports = free_ports()
    process = start(ports, tmp_path)
    try:
        said = read_until(process, "First the exporter learns")

        assert all(f"http://127.0.0.1:{port}/" in said for name, port in ports.items() if name != "receiver")
        until(lambda: 'embedding_events_total{model="python-docs-lsa"' in get(ports["exporter"], "/metrics"))
        until(lambda: '"health":"up"' in get(ports["prometheus"], "/api/v1/targets"))
        until(
            lambda: (
                "EmbeddingDriftWatchdog"
                in {alert["labels"]["alertname"] for alert in json.loads(get(ports["alertmanager"], "/api/v2/alerts"))}
            )
        )
        assert list(tmp_path.iterdir())
        mine = ended(process)
    finally:
        process.kill()
        process.wait()

    # The exporter, the pager, Prometheus, Alertmanager, the demonstration and its traffic.
    assert 6 == len(mine)
    assert [] == list(tmp_path.iterdir())
    for port in ports.values():
        socket.create_server(("127.0.0.1", port)).close()


def test_without_prometheus_it_names_the_packages_and_goes_on(tmp_path):
    """On a machine that has neither."""
    process = start(free_ports(), tmp_path, PATH=str(tmp_path))
    try:
        said = read_until(process, "Starting what the exporter")
        ended(process)
    finally:
        process.kill()
        process.wait()

    for program in PROGRAMS.values():
        assert f"without {program}, which is not installed: Debian and Ubuntu have the package {program}" in said


@pytest.mark.parametrize("name", PORTS)
def test_a_port_that_is_taken_is_named_with_what_chooses_another(capsys, name):
    """Before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = free_ports() | {name: taken.getsockname()[1]}

        assert 2 == main([f"--{each}-port={port}" for each, port in ports.items()])

    assert f"choose another port with --{name}-port" in capsys.readouterr().err
