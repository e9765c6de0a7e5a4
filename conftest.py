"""Runs before any test imports numpy."""

import os

# OpenBLAS reads it on import; with two threads on shared cores its barriers spin, and tests took thirty times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
