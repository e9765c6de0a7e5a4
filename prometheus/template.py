"""The shipped configuration at other addresses and another pace: rules and routes stay what they are.

python -m prometheus.template DIRECTORY [--time-scale 288] [--exporter HOST:PORT] [--alertmanager HOST:PORT] ...

writes prometheus.yml, alertmanager.yml and rules/ into the directory. Two things may differ from the files here:

- each of `ADDRESSES` is replaced by the one that was given, in targets, in receivers and in the links of alerts;
- every duration is divided by the time scale, as an exporter with the same `time_scale` divides its own: waits,
  intervals, ranges, offsets, and the numbers that expressions mark as seconds. Nothing else of an expression changes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).parent

ADDRESSES: Final[Mapping[str, str]] = {
    "exporter": "127.0.0.1:10877",
    "alertmanager": "127.0.0.1:9093",
    "receiver": "127.0.0.1:9095",
    "grafana": "127.0.0.1:3000",
}
"""What each is called on the command line -> where the shipped files have it."""

SHORTEST_INTERVAL_SECONDS: Final = 0.2
"""Between two scrapes or evaluations: neither is worth its cost more often."""

LARGEST_TIME_SCALE: Final = 500.0
"""Beyond it the shortest range of a rule, 5 minutes, would hold fewer than three scrapes."""

SECONDS: Final = "# seconds"
PER_SECOND: Final = "# per second"
"""What marks the number before it, at the end of a line of an expression."""

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"(?<![\w.])(\d+)(ms|[smhdw])(?!\w)")
_INTERVALS: Final = {"scrape_interval", "evaluation_interval", "interval"}
_WAITS: Final = {"for", "keep_firing_for", "group_wait", "group_interval", "repeat_interval"}


def divided(duration: str, by: float, least: float = 0.0) -> str:
    """A duration as Prometheus writes it, divided, in whole milliseconds; never shorter than `least` seconds.

    >>> divided("5m", 288), divided("15s", 288, 0.2), divided("0s", 288), divided("4h", 1)
    ('1042ms', '200ms', '0s', '4h')
    """
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError("a duration is a whole number and one of ms, s, m, h, d, w")
    seconds = int(found[1]) * _UNITS[found[2]]
    if by == 1 or seconds == 0:
        return duration
    return f"{max(1, round(1000 * max(seconds / by, least)))}ms"


def faster(expression: str, by: float) -> str:
    """An expression with every duration in it divided: ranges, offsets, and numbers that are marked as seconds.

    What stands in quotes is left alone: windows are labels.

    >>> print(faster('''rate(a{window="5m"}[5m]) * 300 # seconds
    ...   > 7 and time() - b offset 1d > 3600 # seconds''', 60))
    rate(a{window="5m"}[5000ms]) * 5 # seconds
      > 7 and time() - b offset 1440000ms > 60 # seconds
    """
    parts = re.split(r'("(?:[^"\\]|\\.)*")', expression)
    return "".join(part if part.startswith('"') else _faster(part, by) for part in parts)


def _faster(code: str, by: float) -> str:
    code = _DURATION.sub(lambda found: divided(found[0], by), code)
    code = _scaled(code, SECONDS, lambda value: value / by)
    return _scaled(code, PER_SECOND, lambda value: value * by)


def _scaled(code: str, mark: str, change: Callable[[float], float]) -> str:
    return re.sub(
        rf"(\d+(?:\.\d+)?)(?= {mark}$)", lambda found: f"{change(float(found[1])):.10g}", code, flags=re.MULTILINE
    )


def rewritten(content: Any, time_scale: float, addresses: Mapping[str, str]) -> Any:  # noqa: ANN401 - any YAML
    """What a shipped file holds, with durations divided and addresses replaced."""
    if isinstance(content, Mapping):
        return {key: _value(key, value, time_scale, addresses) for key, value in content.items()}
    if isinstance(content, list):
        return [rewritten(each, time_scale, addresses) for each in content]
    if isinstance(content, str):
        # All at once, or one could be replaced by another's.
        shipped = "|".join(map(re.escape, ADDRESSES.values()))
        names = {address: name for name, address in ADDRESSES.items()}
        return re.sub(shipped, lambda found: addresses.get(names[found[0]], found[0]), content)
    return content


def _value(key: str, value: Any, time_scale: float, addresses: Mapping[str, str]) -> Any:  # noqa: ANN401 - any YAML
    if key == "expr":
        return faster(value, time_scale)
    if key in _INTERVALS:
        return divided(value, time_scale, SHORTEST_INTERVAL_SECONDS)
    if key in _WAITS:
        return divided(value, time_scale)
    return rewritten(value, time_scale, addresses)


def write(directory: Path, time_scale: float, addresses: Mapping[str, str]) -> None:
    """Write the configuration into a directory, which is made. `addresses` has some or all of `ADDRESSES`' names.

    Raises ValueError where the time scale is none, or larger than `LARGEST_TIME_SCALE`.
    """
    if not 1 <= time_scale <= LARGEST_TIME_SCALE:
        message = f"the time scale is a number from 1 to {LARGEST_TIME_SCALE:g}"
        raise ValueError(message)
    for file in (HERE / "prometheus.yml", HERE / "alertmanager.yml", *sorted((HERE / "rules").glob("*.yml"))):
        made = directory / file.relative_to(HERE)
        made.parent.mkdir(parents=True, exist_ok=True)
        content = rewritten(yaml.safe_load(file.read_text()), time_scale, addresses)
        made.write_text(yaml.safe_dump(content, sort_keys=False, width=100_000))


def main(arguments: Sequence[str]) -> int:
    """Write them as told. 0, or 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m prometheus.template", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", type=Path, help="where to write prometheus.yml, alertmanager.yml and rules/")
    parser.add_argument("--time-scale", type=float, default=1.0, help="that of the exporter: durations are divided")
    for name, address in ADDRESSES.items():
        parser.add_argument(f"--{name}", metavar="HOST:PORT", help=f"in the place of {address}")
    read = parser.parse_args(arguments)
    given = {name: getattr(read, name) for name in ADDRESSES if getattr(read, name) is not None}
    try:
        write(read.directory, read.time_scale, given)
    except ValueError as problem:
        parser.error(str(problem))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
