"""The command line: embedding-drift-exporter serve | demo | compare | check-config | check-state."""

from __future__ import annotations

import os

# OpenBLAS reads it when numpy is first imported. With more threads its barriers spin against each other wherever cores
# are shared, as in a pod: whole updates took 4 to 40 times as long with two threads as with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app import __version__
from app.config import SETTINGS, ConfigError, Loaded, Settings, add_flags, load

PROGRAM = "embedding-drift-exporter"

DESCRIPTION = """\
Prometheus exporter that tells you first when the embeddings behind your search,
RAG or recommendations drift.

Without a command it serves, so flags of `serve` may stand alone."""

EXAMPLES = f"""\
examples:
  {PROGRAM}                                  serve on 127.0.0.1:10877
  {PROGRAM} --listen 0.0.0.0:10877 --log-format json
  {PROGRAM} serve --help                     every setting
  {PROGRAM} check-config --config-file drift.yml
  {PROGRAM} compare golden.npz build.npz     check two sets of vectors, as in CI
  {PROGRAM} demo                             see drift being noticed, on real text"""

SETTINGS_NOTE = """\
Every setting can also be given as an environment variable (--max-series as
EMBEDDING_DRIFT_MAX_SERIES) or in the settings file (max_series: 64).
The first of flag, variable, file and default holds."""

Serve = Callable[[Settings], int]


@dataclass(frozen=True, slots=True)
class Call:
    """What a command is run with."""

    arguments: argparse.Namespace
    unknown: Sequence[str]
    """Only where it takes settings, which say themselves which one was meant."""
    environ: Mapping[str, str]
    serve: Serve | None


@dataclass(frozen=True, slots=True)
class Command:
    """One word after the program's name."""

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Call], int]
    takes_settings: bool


def _serve(call: Call) -> int:
    try:
        loaded = load(call.arguments, call.unknown, call.environ)
    except ConfigError as error:
        return _refuse(error, 2)
    # From here on things are imported that --help and a wrong setting do without.
    import structlog  # noqa: PLC0415

    from app import allocator, logs  # noqa: PLC0415

    logs.configure(loaded.settings.log_level, loaded.settings.log_format)
    log = structlog.get_logger("app.cli")
    for warning in loaded.warnings:
        log.warning(warning)
    allocator.settle(call.environ)
    return _server(call)(loaded.settings)


def _server(call: Call) -> Serve:
    if call.serve is not None:
        return call.serve
    from app.main import serve  # noqa: PLC0415

    return serve


def _check_config(call: Call) -> int:
    try:
        loaded = load(call.arguments, call.unknown, call.environ)
    except ConfigError as error:
        return _refuse(error, 2 if call.unknown else 1)
    # Here, for they bring what a wrong setting does without.
    from app.access import Access, AccessError  # noqa: PLC0415
    from app.main import access_files  # noqa: PLC0415

    try:
        Access(access_files(loaded.settings))
    except AccessError as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return 1
    for warning in loaded.warnings:
        print(f"{PROGRAM}: warning: {warning}", file=sys.stderr)
    print(_effective(loaded), end="")
    return 0


def _effective(loaded: Loaded) -> str:
    """The settings as YAML that is itself a settings file, with the source of each as a comment."""
    import yaml  # noqa: PLC0415

    lines = []
    for setting in SETTINGS:
        value = getattr(loaded.settings, setting.name)
        if not isinstance(value, int | float | None):
            # An address is a tuple as well, but is written as one text.
            value = [str(item) for item in value] if type(value) is tuple else str(value)
        # As the only item of a list, for a scalar of its own would be followed by a document end.
        text = yaml.safe_dump([value], default_flow_style=True, width=sys.maxsize, allow_unicode=True).strip()[1:-1]
        lines.append(f"{setting.name}: {text}  # {loaded.origins[setting.name]}\n")
    return "".join(lines)


def _refuse(error: ConfigError, code: int) -> int:
    for problem in error.problems:
        print(f"{PROGRAM}: error: {problem}", file=sys.stderr)
    return code


def _add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    from app.demo.run import add_arguments  # noqa: PLC0415

    add_arguments(parser)


def _demo(call: Call) -> int:
    from app.demo.run import run  # noqa: PLC0415

    return run(call.arguments)


def _add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    from app.offline.command import add_arguments  # noqa: PLC0415

    add_arguments(parser)


def _compare(call: Call) -> int:
    from app.offline.command import run  # noqa: PLC0415

    return run(call.arguments)


CHECK_STATE = """\
Say what a state directory holds, and whether all of it is as it was written.
It only reads, and may be run beside the exporter that the directory belongs to."""

CHECK_STATE_NOTE = """\
exit code:
  0  all of it can be restored
  1  something is damaged, missing or of a newer version
  2  wrong usage, or not a directory that can be read"""


def _add_check_state_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = CHECK_STATE
    parser.epilog = CHECK_STATE_NOTE
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="what --state-dir names")


def _check_state(call: Call) -> int:
    from app import logs  # noqa: PLC0415
    from app.state.check import check  # noqa: PLC0415

    # What is found is told below, once.
    logs.configure("critical", "logfmt")
    try:
        found = check(call.arguments.directory)
    except OSError as error:
        print(f"{PROGRAM}: error: {call.arguments.directory}: {error.strerror}", file=sys.stderr)
        return 2
    if found.owned:
        print("owned by an exporter that is running: what it changes meanwhile may look damaged")
    for line in found.holds:
        print(line)
    for name in found.set_aside:
        print(f"set aside before: {name}")
    for line in found.faults:
        print(f"DAMAGED {line}")
    return 1 if found.faults else 0


COMMANDS = (
    Command("serve", "take events and answer scrapes, until stopped", add_flags, _serve, takes_settings=True),
    Command(
        "demo",
        "show drift being noticed, on a semantic search built in",
        _add_demo_arguments,
        _demo,
        takes_settings=False,
    ),
    Command(
        "compare",
        "say whether the vectors of one file drifted from those of another",
        _add_compare_arguments,
        _compare,
        takes_settings=False,
    ),
    Command(
        "check-config",
        "print the effective settings, or all that is wrong",
        add_flags,
        _check_config,
        takes_settings=True,
    ),
    Command(
        "check-state",
        "say what a state directory holds, and what of it is damaged",
        _add_check_state_arguments,
        _check_state,
        takes_settings=False,
    ),
)


def main(
    argv: Sequence[str] | None = None, *, environ: Mapping[str, str] | None = None, serve: Serve | None = None
) -> int:
    """Run a command and return the exit code.

    0 done, 1 check-config or check-state found problems, or compare drift, 2 wrong usage, settings or files.

    Raises SystemExit where argparse ends the program: after --help and --version (0) and on usage that names no known
    command or leaves out a flag's value (2).
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0].startswith("-") and words[0] not in {"-h", "--help", "--version"}):
        words.insert(0, "serve")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        PROGRAM, description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            usage=f"{PROGRAM} {command.name} [--SETTING VALUE ...]" if command.takes_settings else None,
            epilog=SETTINGS_NOTE if command.takes_settings else None,
            formatter_class=raw,
            allow_abbrev=False,
        )
        subparser.set_defaults(command=command, subparser=subparser)
        if command.name == words[0]:
            # Only the chosen command's: some import more than --help should wait for.
            command.add_arguments(subparser)
    arguments, unknown = parser.parse_known_args(words)
    given = os.environ if environ is None else environ
    chosen: Command = arguments.command
    if unknown and not chosen.takes_settings:
        arguments.subparser.error(f"unknown arguments: {' '.join(unknown)}")
    return chosen.run(Call(arguments, unknown, given, serve))


if __name__ == "__main__":
    sys.exit(main())
