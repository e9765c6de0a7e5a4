"""What docker compose runs, without it.

python -m prometheus.stack

starts the exporter, the demonstration's traffic, Prometheus and Alertmanager with the shipped rules and routes, and
somebody who reads the notifications out. Days pass in minutes, so the configuration is that of prometheus.template at
the same pace. Ctrl-C ends them all, and nothing stays.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from app.demo.acts import SLICE_LABEL
from app.demo.performance import DemoError
from app.demo.processes import check_alive, child_process, end_on_signals, program
from app.demo.run import HOST, INTERACTIVE, check_port, wait_until_ready
from prometheus import template

PORTS: Final[Mapping[str, int]] = {"exporter": 10877, "prometheus": 9090, "alertmanager": 9093, "receiver": 9095}

PROGRAMS: Final[Mapping[str, str]] = {"alertmanager": "prometheus-alertmanager", "prometheus": "prometheus"}
"""What they are called in Debian, and so are their packages."""


def prometheus_command(binary: str, configuration: Path, data: Path, address: str) -> list[str]:
    """Prometheus with these files, as the compose file starts it."""
    return [
        binary,
        f"--config.file={configuration / 'prometheus.yml'}",
        f"--storage.tsdb.path={data / 'prometheus'}",
        f"--web.listen-address={address}",
        f"--web.external-url=http://{address}/",
        "--log.level=warn",
    ]


def alertmanager_command(binary: str, configuration: Path, data: Path, address: str) -> list[str]:
    """Alertmanager with these files, as the compose file starts it: one that has no peers."""
    return [
        binary,
        f"--config.file={configuration / 'alertmanager.yml'}",
        f"--storage.path={data / 'alertmanager'}",
        f"--web.listen-address={address}",
        f"--web.external-url=http://{address}/",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]


COMMANDS: Final = {"alertmanager": alertmanager_command, "prometheus": prometheus_command}


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C. 0: ended so; 2: it could not be started, or one of its processes ended."""
    parser = argparse.ArgumentParser(prog="python -m prometheus.stack", description=(__doc__ or "").splitlines()[0])
    for name, port in PORTS.items():
        parser.add_argument(f"--{name}-port", type=int, default=port, help="(%(default)s)")
    read = vars(parser.parse_args(arguments))
    try:
        _run({name: read[f"{name}_port"] for name in PORTS})
    except DemoError as problem:
        print(f"the stack cannot go on: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
    return 0


def _run(ports: Mapping[str, int]) -> None:
    for name, port in ports.items():
        check_port(port, f"--{name}-port")
    end_on_signals()
    addresses = {name: f"{HOST}:{port}" for name, port in ports.items()}
    exporter = f"http://{addresses['exporter']}"
    children: dict[str, subprocess.Popen[str]] = {}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embedding-drift-")))
        template.write(directory, INTERACTIVE.time_scale, {k: v for k, v in addresses.items() if k != "prometheus"})
        serve = ("serve", f"--listen={addresses['exporter']}", f"--time-scale={INTERACTIVE.time_scale:g}")
        options = (f"--slice-labels={SLICE_LABEL}", "--log-level=warning")
        children["exporter"] = stack.enter_context(child_process("app.cli", *serve, *options))
        pager = child_process("app.demo.pager", f"--listen={addresses['receiver']}")
        children["pager"] = stack.enter_context(pager)
        for name, binary in PROGRAMS.items():
            found = shutil.which(binary)
            if found is None:
                _say(f"  without {binary}, which is not installed: Debian and Ubuntu have the package {binary}")
            else:
                children[name] = stack.enter_context(
                    program(*COMMANDS[name](found, directory, directory, addresses[name]))
                )
        for name in ("exporter", *(each for each in PROGRAMS if each in children)):
            wait_until_ready(f"http://{addresses[name]}/-/ready", name, children)
        _introduce(addresses, children)
        children["demonstration"] = stack.enter_context(child_process("app.cli", "demo", f"--exporter={exporter}"))
        while True:
            check_alive(**children)
            time.sleep(0.5)


def _introduce(addresses: Mapping[str, str], children: Mapping[str, object]) -> None:
    _say(f"  exporter      http://{addresses['exporter']}/, runbooks at /runbooks")
    if "prometheus" in children:
        _say(f"  Prometheus    http://{addresses['prometheus']}/alerts: the shipped rules, at the demonstration's pace")
    if "alertmanager" in children:
        _say(f"  Alertmanager  http://{addresses['alertmanager']}/: what it tells is told here, as PAGE and TICKET")
    _say("  Grafana       is in the compose file alone: docker compose up --build\n")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
