"""Write the rule files and their tests from the tables, or say which are not in step.

python -m prometheus.build
python -m prometheus.build --check
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from prometheus.alerts import ALERTING
from prometheus.recording import RECORDING
from prometheus.rule import Group
from prometheus.scenarios import suites

HERE: Final = Path(__file__).parent
_HEAD: Final = "# Made by `python -m prometheus.build` from {source}; change that, not this file.\n"


class _Dumper(yaml.SafeDumper):
    """Block style: expressions over several lines are read, and changed, line by line."""


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _string)


def _page(source: str, content: Mapping[str, Any]) -> str:
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=100_000, allow_unicode=True)
    return _HEAD.format(source=source) + text


def _groups(groups: Sequence[Group]) -> Mapping[str, Any]:
    return {"groups": [group.rendered() for group in groups]}


def files() -> Mapping[Path, str]:
    """What every generated file is to hold."""
    rules = HERE / "rules"
    made = {
        rules / "embedding_drift_recording.yml": _page(
            "prometheus/recording.py and prometheus/thresholds.yml", _groups(RECORDING)
        ),
        rules / "embedding_drift_alerts.yml": _page(
            "prometheus/alerts/ and prometheus/thresholds.yml", _groups(ALERTING)
        ),
    }
    for name, suite in suites().items():
        made[HERE / "tests" / f"{name}.yml"] = _page("prometheus/scenarios/", suite)
    return made


def main(arguments: Sequence[str]) -> int:
    """0, or 1 where --check found a file that is not in step."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m prometheus.build [--check]\n")
        return 2
    behind = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    for path in behind:
        if arguments:
            sys.stderr.write(f"{path.relative_to(HERE.parent)} is not in step: python -m prometheus.build\n")
        else:
            path.write_text(files()[path])
            sys.stdout.write(f"wrote {path.relative_to(HERE.parent)}\n")
    return 1 if behind and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
