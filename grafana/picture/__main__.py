"""Draw every dashboard from a run of the demonstration, some twelve minutes: make dashboards-picture.

python -m grafana.picture            # plays the demonstration, then draws
python -m grafana.picture --again    # draws what was recorded last
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.demo.performance import DemoError
from app.demo.processes import end_on_signals, program
from grafana.boards import BOARDS
from grafana.picture.asking import page
from grafana.picture.recording import PictureError, Recording, record, recorded

HERE: Final = Path(__file__).parent
OUT: Final = HERE / "out"
RECORDED: Final = OUT / "recorded"
PICTURES: Final = HERE.parent.parent / "docs" / "images"
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


def main(arguments: Sequence[str]) -> int:
    """0; 1 where a picture could not be drawn, or became too large; 2 for wrong usage; 130 where it was interrupted."""
    if arguments not in ([], ["--again"]):
        sys.stderr.write("usage: python -m grafana.picture [--again]\n")
        return 2
    end_on_signals()
    try:
        node, browser = _tools()
        recording = Recording.read(RECORDED) if arguments else record(RECORDED)
        return _draw(recording, node, browser)
    except (DemoError, PictureError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _tools() -> tuple[str, str]:
    """Node.js and a browser, with what npm installed."""
    node = shutil.which("node")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if node is None or browser is None:
        raise PictureError("node and chromium are needed: install the Debian packages nodejs and chromium")
    if not (HERE / "node_modules").is_dir():
        raise PictureError("Grafana's UI library is needed: npm ci --legacy-peer-deps in grafana/picture")
    return node, browser


def _draw(recording: Recording, node: str, browser: str) -> int:
    prepared = OUT / "prepared"
    shutil.rmtree(prepared, ignore_errors=True)
    (prepared / "pages").mkdir(parents=True)
    PICTURES.mkdir(exist_ok=True)
    for board in BOARDS:
        (prepared / "pages" / f"{board.name}.json").write_text(json.dumps(page(board, recording)))
    arguments = (str(prepared), str(PICTURES), browser)
    with recorded(RECORDED) as address, program(node, str(HERE / "draw.mjs"), address, *arguments) as drawing:
        return drawing.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
