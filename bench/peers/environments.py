"""The environment of each peer: what pip installs into it, and the modules that run there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".venv-peers"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment of its own: what peers need does not go together."""

    name: str
    requirements: tuple[tuple[str, ...], ...]
    """Of one pip call each."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return FOLDER / self.name / "bin" / "python"

    def install(self) -> None:
        """Make it, unless what it wants is installed already. Raises CalledProcessError where pip fails."""
        wanted = "\n".join(" ".join(call) for call in self.requirements)
        done = FOLDER / self.name / "installed"
        if done.is_file() and done.read_text(encoding="utf-8") == wanted:
            return
        print(f"installing {self.name} into {FOLDER.name}; this happens once", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER / self.name)], check=True)
        for call in self.requirements:
            self._pip(call)
        done.write_text(wanted, encoding="utf-8")

    def _pip(self, requirements: Sequence[str]) -> None:
        command = [str(self.python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *requirements]
        subprocess.run(command, check=True)


# whylogs 1.6.4 is its last release and wants numpy 1; Evidently does not import with pandas 3. PyTorch comes first and
# by its exact version, or alibi-detect's range takes the newest build for GPUs, of several GB.
ENVIRONMENTS: Final = {
    each.name: each
    for each in (
        Environment("whylogs", (("whylogs[viz]==1.6.4", "numpy<2", "pandas<3"),)),
        Environment("evidently", (("evidently==0.7.23", "pandas<3"),)),
        Environment("alibi-detect", (("torch==2.13.0",), ("alibi-detect==0.13.0",))),
        Environment("river", (("river==0.26.1",),)),
        Environment("prometheus_client", (("prometheus-client==0.26.0", "numpy<3"),)),
    )
}
