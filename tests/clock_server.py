"""The exporter's command line on a machine whose clock is as far ahead as a file says: `FILE serve --listen ...`.

Not by libfaketime: with Debian's 0.9.10 `time.sleep` raises "Invalid argument" where monotonic clocks are left alone.
"""

import sys
import time
from pathlib import Path


def main(file: Path, *words: str) -> int:
    """Run it; the file may be written anew at any time."""
    right = time.time
    # Before anything of the exporter has taken a name of it.
    time.time = lambda: right() + float(file.read_text())
    from app.cli import main as command  # noqa: PLC0415

    return command(words)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
