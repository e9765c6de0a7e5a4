"""Scores of every series at a moment: store x baselines x statistics."""

from app.evaluate.canary import CANARY_WINDOW, compare_views
from app.evaluate.evaluator import Evaluator
from app.evaluate.rules import Rules
from app.evaluate.views import BaselineView, Evaluation, Picture, ResultsView, SeriesView, WindowView

__all__ = [
    "CANARY_WINDOW",
    "BaselineView",
    "Evaluation",
    "Evaluator",
    "Picture",
    "ResultsView",
    "Rules",
    "SeriesView",
    "WindowView",
    "compare_views",
]
