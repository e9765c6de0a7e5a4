"""The exporter as a user starts it, on a loopback port of its own."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.server import Server


class Exporter(Server):
    """`embedding-drift-exporter serve` as shipped, with baselines loaded from files and room for as many series."""

    NAME: Final = "exporter"

    def __init__(self, baselines: Sequence[Path] = (), further: Sequence[str] = ()) -> None:
        flags = ["--max-state-mib", "1024", *further]
        flags += ["--baseline", ",".join(map(str, baselines))] if baselines else []
        super().__init__(
            self.NAME, "app.cli", "serve", "--listen", "127.0.0.1:{port}", "--log-level", "warning", *flags
        )

    def get(self, path: str) -> bytes:
        """The body of a GET; urllib.error.HTTPError when its status is not 2xx."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as reply:
            return bytes(reply.read())
