"""The bench against other libraries: what can be held without installing them."""

import ast
from pathlib import Path

import numpy as np
import pytest

from bench.peers import __main__ as command
from bench.peers import exporter
from bench.peers.environments import ENVIRONMENTS
from bench.peers.turn import events
from bench.report import fill

FOREIGN = Path(command.__file__).parent / "foreign"


def test_every_peer_is_given_the_same_events():
    """The same seed gives the same vectors, unit ones, and similarities with the best first."""
    first, second = events(50, 1), events(50, 1)

    assert (first.vectors == second.vectors).all()
    assert np.linalg.norm(first.vectors, axis=1) == pytest.approx(np.ones(50), abs=1e-6)
    assert (np.diff(first.scores, axis=1) <= 0).all()
    assert (50, 11) == first.scalars.shape


@pytest.mark.parametrize("work", command.WORKS, ids=lambda work: work.name)
def test_every_work_is_ours_and_that_of_known_peers(work):
    """Each names a module that is there and an environment that can be made."""
    assert work.name in exporter.WORKS
    for peer in work.peers:
        assert peer.environment in ENVIRONMENTS
        assert (FOREIGN / f"{peer.module}.py").is_file()


@pytest.mark.parametrize("script", sorted(FOREIGN.glob("[a-z]*.py")), ids=lambda script: script.stem)
def test_a_foreign_script_reads_nothing_of_ours_but_its_turn(script):
    """It runs where this project is not installed."""
    imports = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.ImportFrom)]

    ours = {node.module for node in imports if node.module.split(".")[0] in {"app", "bench"}}
    assert {"bench.peers.turn"} == ours


def test_a_process_takes_turns(monkeypatch):
    """A real process of our own, held against itself: the ratio is 1 and the answers are there."""
    itself = command.Peer("itself", None, "exporter", goal=0.1)
    goals, (_, table) = command.measure(command.Work("scalars", "", (itself,)), rounds=1)

    assert [True] == [goal.held for goal in goals]
    assert [command.OURS, "itself"] == [row[0] for row in table.rows]
    assert all("largest KS 0." in row[-1] for row in table.rows)


def test_the_page_has_a_place_for_the_tables():
    """Or --write would fail after the measurement."""
    assert "new" in fill(command.PAGE.read_text(encoding="utf-8"), command.PART, "new")
