"""One series: staged rows become panes, panes become windows; totals run beside them."""

from app.series.ladder import Ladder
from app.series.learning import Block, Learning, Material
from app.series.pane import Pane
from app.series.series import Series, Window
from app.series.size import full_series_nbytes
from app.series.totals import Totals

__all__ = [
    "Block",
    "Ladder",
    "Learning",
    "Material",
    "Pane",
    "Series",
    "Totals",
    "Window",
    "full_series_nbytes",
]
