"""What the exporter's gates say of a window, and what the shipped rules say of the same numbers in Prometheus."""

import math
import subprocess
from collections import Counter
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import yaml

from app.drift.effects import Effects
from app.drift.gates import GATES, GATES_BY_EFFECT, LONE_SCORE, Severity, severity
from prometheus.recording import LONE_WINDOWS
from prometheus.thresholds import TICKET_WAITS

RULES = Path(__file__).parents[1] / "prometheus" / "rules" / "embedding_drift_recording.yml"
NOTHING = Effects(**{each.name: None for each in fields(Effects)} | {"invalid_share": 0.0, "same_input_matches": 100})
SHARES = {"changed_share_lower_bound", "invalid_share", "same_input_changed_ratio"}
BEYOND = {Severity.NONE: (), Severity.TICKET: ("ticket",), Severity.PAGE: ("ticket", "page")}
SIZED = "series:embedding_effect_over_gate:max"


def effects(**found):
    return Effects(**asdict(NOTHING) | found)


def drawn(count=240):
    """Windows with scores and effects around where they begin to count."""
    rng = np.random.default_rng(7)
    for _ in range(count):
        gates = [GATES[at] for at in rng.permutation(len(GATES))[: rng.integers(1, 4)]]
        found = {
            gate.effect: gate.ticket * math.exp(rng.uniform(-1, 2.5)) * int(rng.choice([-1, 1, 1])) for gate in gates
        }
        bounded = {name: min(abs(value), 1.0) if name in SHARES else value for name, value in found.items()}
        scores = {each: math.exp(rng.uniform(-0.5, 1.5)) for gate in gates for each in gate.statistics}
        kept = {name: score for name, score in scores.items() if rng.random() < 0.8}
        yield str(rng.choice(list(TICKET_WAITS))), kept, effects(**bounded)


def at_their_edges():
    """Windows that are just not enough, and one that is, of the same numbers."""
    for window in TICKET_WAITS:
        for gate in GATES:
            of = gate.statistics[0]
            yield window, {of: 1.0}, effects(**{gate.effect: 0.9})
            yield window, {of: LONE_SCORE}, effects(**{gate.effect: 0.9})
        yield window, {"novelty": 2.0}, effects(changed_share_lower_bound=0.01)
        for value in (-5.0, 5.0):
            yield window, {"joint": 9.0}, effects(mean_displacement=value)
            yield window, {"spread": 9.0}, effects(variance_log_ratio=value)


def series(model, window, scores, found):
    """What an exporter shows of such a window."""
    of, against = f'model="{model}",window="{window}"', f'model="{model}",window="{window}",baseline="pinned"'
    for statistic, score in scores.items():
        yield f'embedding_drift_score{{{against},signal="embedding",statistic="{statistic}"}}', f"{score!r}+0x6"
    yield f'embedding_window_events{{{of},signal="embedding"}}', "1000+0x6"
    yield f"embedding_same_input_matches{{{of}}}", f"{found.same_input_matches}+0x6"
    for name in GATES_BY_EFFECT:
        value = getattr(found, name)
        if value is not None and name != "invalid_share":
            labels = of if name == "same_input_changed_ratio" else against
            yield f"embedding_{name}{{{labels}}}", f"{value!r}+0x6"
    yield f'embedding_vectors_total{{model="{model}"}}', f"0+{1000 * (1 - found.invalid_share)!r}x6"
    yield f'embedding_invalid_vectors_total{{model="{model}",reason="zero"}}', f"0+{1000 * found.invalid_share!r}x6"


def test_gates_and_rules_find_the_same_windows_worth_the_same(promtool, tmp_path):
    """A page is beyond the gates of a ticket, too; what is worth nothing is beyond none."""
    windows = [*drawn(), *at_their_edges()]
    given, expected, worth = {}, [], Counter()
    for model, (window, scores, found) in enumerate(windows):
        given |= series(model, window, scores, found)
        found_worth = severity(scores, found, lone=window in LONE_WINDOWS)
        worth[found_worth] += 1
        labels = f'model="{model}", window="{window}", baseline="pinned"'
        expected += [{"labels": f'{{{labels}, gate="{gate}"}}', "value": 1} for gate in BEYOND[found_worth]]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in given.items()],
        "promql_expr_test": [
            {"expr": f"({SIZED} > bool 1) == 1", "eval_time": "6m", "exp_samples": expected},
        ],
    }
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]})
    )

    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert min(worth.values()) > len(windows) / 8
    assert 0 == done.returncode, done.stdout + done.stderr
