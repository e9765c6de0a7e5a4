"""What the exporter costs: ingest, memory, scrapes and the calls of its client, beside references of the same run."""

import os

# As the exporter's own command line does, before numpy is imported; the servers of the bench inherit it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
