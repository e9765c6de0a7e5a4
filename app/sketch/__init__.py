"""Mergeable summaries in bounded memory. The only package that imports datasketches.

Each can be fed in batches and merged; a merge equals the summary of the union within the summary's stated error.
"""

from app.sketch.buckets import BucketCounts
from app.sketch.quantiles import QuantileSketch
from app.sketch.reservoir import Reservoir, VectorSample
from app.sketch.vector_sums import VectorSums

__all__ = ["BucketCounts", "QuantileSketch", "Reservoir", "VectorSample", "VectorSums"]
