"""Where settings come from: flags, then environment, then the YAML file, then defaults."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from app.config.setting import ENVIRONMENT_PREFIX, Setting
from app.config.settings import SETTINGS, Settings
from app.config.values import ListOf

CONFIG_FILE_FLAGS = ("--config-file", "--config.file")
CONFIG_FILE_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG_FILE"
CONFIG_FILE_HELP = "Read settings from this YAML file."

BY_NAME = {setting.name: setting for setting in SETTINGS}
BY_VARIABLE = {setting.variable: setting for setting in SETTINGS}
BY_FLAG = {flag: setting for setting in SETTINGS for flag in (setting.flag, *setting.aliases)}

_FLAGS_GIVEN = "flags_given"

KUBERNETES_LINK = re.compile(r"(^|_)(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$")
"""How the variables end that Kubernetes sets in every pod for a Service named embedding-drift...; beside these there
is ..._PORT, known by its value. No setting may be named so."""
KUBERNETES_PORT_VALUE = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where it was given, and what would be right."""

    source: str
    message: str

    def __str__(self) -> str:
        return f"{self.source}: {self.message}"


class ConfigError(Exception):
    """The settings are wrong; `problems` has all of it, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The effective settings."""

    settings: Settings
    origins: Mapping[str, str]
    """Where each setting's value is from, such as "flag --listen" or "default"."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    setting: Setting
    texts: str | tuple[str, ...]
    """One text, or the items of a list in the file."""
    source: str
    origin: str

    def value(self) -> object:
        parser = self.setting.parser
        if isinstance(self.texts, str):
            return parser(self.texts)
        if isinstance(parser, ListOf):
            return parser.all(self.texts)
        raise ValueError(f"a list is not {parser.expected}")


def nearest(got: str, known: Sequence[str]) -> str:
    """The known names in one text, those most like `got` first. Quadratic in the length of the names.

    >>> nearest("max-serie", ["listen", "max_series"])
    'max_series, listen'
    """

    def likeness(name: str) -> float:
        return difflib.SequenceMatcher(None, re.sub(r"\W", "_", name.lower()), re.sub(r"\W", "_", got.lower())).ratio()

    return ", ".join(sorted(known, key=likeness, reverse=True))


class _Collect(argparse.Action):
    """Keeps (flag, text) pairs in the order given; what they mean is settled with the other sources."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, _FLAGS_GIVEN, [*getattr(namespace, _FLAGS_GIVEN, []), (option_string, values)])


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flag of every setting, and --config-file."""

    def add(group: argparse._ArgumentGroup, flags: Sequence[str], metavar: str, text: str) -> None:
        note = "".join(f" Also {alias}." for alias in flags[1:])
        shown = (text + note).replace("%", "%%")
        group.add_argument(flags[0], action=_Collect, default=argparse.SUPPRESS, metavar=metavar, help=shown)
        for alias in flags[1:]:
            group.add_argument(alias, action=_Collect, default=argparse.SUPPRESS, help=argparse.SUPPRESS)

    add(parser.add_argument_group("Settings file"), CONFIG_FILE_FLAGS, "FILE", CONFIG_FILE_HELP)
    for title, rows in groupby(SETTINGS, key=lambda setting: setting.group):
        group = parser.add_argument_group(title)
        for row in rows:
            repeated = " May be repeated." if isinstance(row.parser, ListOf) else ""
            text = f"{row.help} Takes {row.parser.expected}.{repeated} Default: {row.show(row.default)}."
            add(group, (row.flag, *row.aliases), row.metavar, text)


def load(namespace: argparse.Namespace, unknown: Sequence[str], environ: Mapping[str, str]) -> Loaded:
    """Join the sources.

    Parameters
    ----------
    namespace, unknown
        What `parse_known_args` of a parser with `add_flags` returned.
    environ
        The environment variables.

    Raises
    ------
    ConfigError
        With every problem of every source, also of values that another source overrides.

    """
    problems = list(_unknown_arguments(unknown))
    flags: list[tuple[str, str]] = getattr(namespace, _FLAGS_GIVEN, [])
    given = [
        *_from_file(_config_file(flags, environ), problems),
        *_from_environment(environ),
        *_from_flags(flags),
    ]
    values: dict[str, object] = {}
    origins = {setting.name: "default" for setting in SETTINGS}
    sources: dict[str, str] = {}
    for each in given:
        name = each.setting.name
        try:
            value = each.value()
        except ValueError as error:
            problems.append(Problem(each.source, str(error)))
            continue
        if origins[name] == each.origin and isinstance(value, tuple) and isinstance(each.setting.parser, ListOf):
            # A repeated flag adds to its list; a source of higher rank replaces it.
            value = tuple(dict.fromkeys((*values[name], *value)))  # type: ignore[misc]
        values[name], origins[name], sources[name] = value, each.origin, each.source
    settings = Settings(**values)  # type: ignore[arg-type]
    # Asked of right values alone: a default in place of a wrong one would contradict what nobody gave.
    if problems := problems or list(_contradictions(settings, sources)):
        raise ConfigError(problems)
    return Loaded(settings, origins, (*_warnings(settings), *_warnings_of_variables(environ)))


def _unknown_arguments(unknown: Sequence[str]) -> Iterator[Problem]:
    value_follows = False
    for argument in unknown:
        if argument.startswith("-"):
            flag, equals, _ = argument.partition("=")
            known = [CONFIG_FILE_FLAGS[0], *(setting.flag for setting in SETTINGS)]
            yield Problem(_shown(flag), f"there is no such flag; the known ones, nearest first: {nearest(flag, known)}")
            value_follows = not equals
        elif not value_follows:
            yield Problem(_shown(argument), "an argument too many; a command stands first, and each flag has one value")
        else:
            value_follows = False


def _config_file(flags: Sequence[tuple[str, str]], environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The source that names the file, and its path."""
    for flag, text in reversed(flags):
        if flag in CONFIG_FILE_FLAGS:
            return flag, text
    path = environ.get(CONFIG_FILE_VARIABLE)
    return (CONFIG_FILE_VARIABLE, path) if path else None


def _from_flags(flags: Sequence[tuple[str, str]]) -> Iterator[_Given]:
    for flag, text in flags:
        if flag in BY_FLAG:
            setting = BY_FLAG[flag]
            yield _Given(setting, text, flag, f"flag {setting.flag}")


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Given]:
    for variable, setting in BY_VARIABLE.items():
        # An empty variable is what templates make of a value that nobody gave.
        if text := environ.get(variable):
            yield _Given(setting, text, variable, f"variable {variable}")


def _from_file(named: tuple[str, str] | None, problems: list[Problem]) -> Iterator[_Given]:
    if named is None:
        return
    # Imported here because it brings PyYAML: 15 ms that a start without a file does not pay.
    from app.config import yaml_file  # noqa: PLC0415

    source, path = named
    try:
        entries = yaml_file.read(path)
    except ValueError as error:
        problems.append(Problem(source, str(error)))
        return
    lines: dict[str, int] = {}
    for line, key, texts in entries:
        place = f"{_shown(path)}:{line}"
        where = f"{place}: {_shown(key) or 'key'}"
        if key not in BY_NAME:
            known = nearest(key, list(BY_NAME))
            problems.append(Problem(where, f"there is no such setting; the known ones, nearest first: {known}"))
        elif key in lines:
            problems.append(Problem(where, f"given already on line {lines[key]}; give it once"))
        elif texts is None:
            problems.append(Problem(where, f"a nested value is not {BY_NAME[key].parser.expected}"))
        else:
            yield _Given(BY_NAME[key], texts, where, f"file {place}")
        lines.setdefault(key, line)


def _contradictions(settings: Settings, sources: Mapping[str, str]) -> Iterator[Problem]:
    if settings.dimension is not None and settings.dimension > settings.max_dimension:
        yield Problem(
            sources["dimension"],
            f"{settings.dimension} is more than max_dimension ({settings.max_dimension}), so every vector would be "
            "refused; raise max_dimension",
        )
    if settings.max_body_mib > settings.max_inflight_mib:
        yield Problem(
            sources.get("max_body_mib", sources.get("max_inflight_mib", "")),
            f"{settings.max_body_mib} is more than max_inflight_mib ({settings.max_inflight_mib}), so the largest "
            "bodies could never be taken; raise max_inflight_mib",
        )
    if len(settings.reserved_models) > settings.max_series:
        yield Problem(
            sources["reserved_models"],
            f"{len(settings.reserved_models)} models cannot have places among max_series ({settings.max_series}); "
            "raise max_series",
        )


def _warnings(settings: Settings) -> Iterator[str]:
    files = (
        settings.web_config_file,
        settings.ingest_token_file,
        settings.read_token_file,
        settings.admin_token_file,
    )
    addresses = [each for each in (settings.listen, settings.metrics_listen) if each is not None and not each.loopback]
    if addresses and not any(files):
        yield (
            f"listening on {' and '.join(map(str, addresses))}, beyond this machine, without authentication: whoever "
            "reaches it can send events and read /metrics; 127.0.0.1, a network policy, or the files of "
            "docs/security.md close it"
        )


def _warnings_of_variables(environ: Mapping[str, str]) -> Iterator[str]:
    links = []
    for variable, value in sorted(environ.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in (*BY_VARIABLE, CONFIG_FILE_VARIABLE):
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        port = (name == "PORT" or name.endswith("_PORT")) and KUBERNETES_PORT_VALUE.match(value)
        if port or KUBERNETES_LINK.search(name):
            links.append(variable)
        else:
            known = nearest(variable, [*BY_VARIABLE, CONFIG_FILE_VARIABLE])
            yield f"{_shown(variable)} is no setting and has no effect; the known ones, nearest first: {known}"
    if links:
        yield (
            f"{', '.join(links)}: set by Kubernetes for a Service, no settings; "
            "enableServiceLinks: false in the pod's spec leaves them out"
        )


def _shown(text: str) -> str:
    """A name from outside, fit for one line."""
    return text if text.isprintable() else ascii(text)
