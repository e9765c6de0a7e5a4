"""Evaluations: their CPU, the waits that they cause, a new baseline, and what measuring adds to ingest."""

from __future__ import annotations

from typing import Final

from bench import intake, ticks, waits
from bench.fitting import Fitting
from bench.plan import Plan
from bench.report import Report

PART: Final = "evaluate"


def measure(plan: Plan) -> Report:
    """Four measurements, each with turns of its own."""
    running = ticks.Ticks(plan.evaluated)
    costs = [running.run() for _ in range(plan.rounds)]
    fitting = Fitting()
    fits = [fitting.run() for _ in range(plan.rounds)]
    intakes = {case: intake.Intake(case) for case in intake.CASES}
    turns: dict[intake.Case, list[float]] = {case: [] for case in intakes}
    for _ in range(plan.rounds):
        for case, runner in intakes.items():
            turns[case].append(runner.run(plan.turn_seconds))
    parts = [ticks.report(costs, plan.evaluated), fitting.report(fits), intake.report(turns), waits.measure(plan)]
    return Report(
        PART,
        [goal for goals, _ in parts for goal in goals],
        [table for _, tables in parts for table in tables],
        plan.rounds,
    )
