"""Runs before any test imports numpy."""

import os

# OpenBLAS reads it on import; with two threads on shared cores its barriers spin, and tests took thirty times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

# No deadline: an example's time says more of the machine's neighbours than of the code. In CI the examples are the same
# in every run: a find belongs into a developer's run, not between somebody and their merge.
settings.register_profile("developer", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")

# They import libraries that are installed beside this project's, never with them: `make bench-peers`.
collect_ignore = ["bench/peers/foreign"]
