"""Mergeable summaries in bounded memory. The only package that imports datasketches.

Each can be fed in batches and merged; a merge equals the summary of the union within the summary's stated error.
FrequentInputs and RecentInputs hold vectors of one stream and are not merged, nor is RecentKeys, which slides.
"""

from app.sketch.buckets import BucketCounts
from app.sketch.content_keys import content_keys
from app.sketch.distinct import DistinctKeys
from app.sketch.frequent_inputs import FrequentInputs
from app.sketch.label_counts import LabelCounts
from app.sketch.quantiles import QuantileSketch
from app.sketch.recent_inputs import RecentInputs
from app.sketch.recent_keys import RecentKeys
from app.sketch.reservoir import Reservoir, VectorSample
from app.sketch.sliding import Sliding
from app.sketch.top_inputs import TopInputs

__all__ = [
    "BucketCounts",
    "DistinctKeys",
    "FrequentInputs",
    "LabelCounts",
    "QuantileSketch",
    "RecentInputs",
    "RecentKeys",
    "Reservoir",
    "Sliding",
    "TopInputs",
    "VectorSample",
    "content_keys",
]
