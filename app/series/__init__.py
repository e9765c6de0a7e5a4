"""One series: staged rows become panes, panes become windows; totals run beside them."""

from app.series.block import Block
from app.series.ladder import Ladder
from app.series.learning import Learned, Learning, Material
from app.series.measuring import Yardstick
from app.series.pane import FRAME_SIGNALS, Pane, QueryCounts
from app.series.retrieval import SAMPLED_QUERIES_A_SECOND, ResultKeys, RetrievalWindow
from app.series.retrieval import WINDOW as RESULTS_WINDOW
from app.series.series import Series
from app.series.size import full_series_nbytes
from app.series.slices import Slices, SliceView
from app.series.totals import Totals
from app.series.trailing import Past
from app.series.window import Window

__all__ = [
    "FRAME_SIGNALS",
    "RESULTS_WINDOW",
    "SAMPLED_QUERIES_A_SECOND",
    "Block",
    "Ladder",
    "Learned",
    "Learning",
    "Material",
    "Pane",
    "Past",
    "QueryCounts",
    "ResultKeys",
    "RetrievalWindow",
    "Series",
    "SliceView",
    "Slices",
    "Totals",
    "Window",
    "Yardstick",
    "full_series_nbytes",
]
