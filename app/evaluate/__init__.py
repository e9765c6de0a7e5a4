"""Scores of every series at a moment: store x baselines x statistics."""

from app.evaluate.evaluator import Evaluator
from app.evaluate.rules import Rules
from app.evaluate.views import BaselineView, Evaluation, Picture, SeriesView, WindowView

__all__ = ["BaselineView", "Evaluation", "Evaluator", "Picture", "Rules", "SeriesView", "WindowView"]
