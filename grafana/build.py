"""Write the dashboards from their tables of panels, or say which are not in step.

python -m grafana.build
python -m grafana.build --check
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from grafana.boards import BOARDS, OPTIONAL

HERE: Final = Path(__file__).parent


def files() -> Mapping[Path, str]:
    """What every generated file is to hold."""
    return {
        HERE / directory / f"{board.name}.json": json.dumps(board.rendered(), indent=2) + "\n"
        for directory, boards in (("dashboards", BOARDS), ("optional", OPTIONAL))
        for board in boards
    }


def main(arguments: Sequence[str]) -> int:
    """0, or 1 where --check found a file that is not in step."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m grafana.build [--check]\n")
        return 2
    made = files()
    behind = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    for path in behind:
        if arguments:
            sys.stderr.write(f"{path.relative_to(HERE.parent)} is not in step: python -m grafana.build\n")
        else:
            path.write_text(made[path])
            sys.stdout.write(f"wrote {path.relative_to(HERE.parent)}\n")
    return 1 if behind and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
