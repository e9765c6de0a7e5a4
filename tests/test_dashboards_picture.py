"""Pictures of dashboards: what they ask, and what is committed of them. Drawing them is `make dashboards-picture`."""

import json

import pytest

from grafana import build
from grafana.boards import BOARDS
from grafana.picture.asking import NOT_PLAYED, page
from grafana.picture.recording import PictureError, Recording

RECORDING = Recording(begin=1_000_000.0, end=1_000_600.0, time_scale=288.0)
PICTURE = build.HERE / "picture"

every_board = pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])


@every_board
def test_no_variable_is_left_in_a_query(board):
    """Nobody chooses one in a picture."""
    made = page(board, RECORDING)["dashboard"]
    asked = [target["expr"] for panel in made["panels"] for target in panel.get("targets", ())]

    assert asked
    assert [each for each in (*asked, *(mark["expr"] for mark in made["annotations"]["list"])) if "$" in each] == []


@every_board
def test_a_picture_shows_no_more_than_was_recorded(board):
    """A day of the demonstration or the dashboard's own range, up to the moment that the recording ends with."""
    shown = page(board, RECORDING)["range"]

    assert 1_000_600.0 == shown["to"]
    assert 1_000_000.0 <= shown["from"] <= 1_000_600.0 - 86400 / 288


def test_points_are_as_far_apart_as_a_panel_wants():
    """An hour of the demonstration is 12.5 s, and its rates are over no less."""
    (board,) = (board for board in BOARDS if board.name == "drift-and-outcomes")
    (panel,) = (p for p in page(board, RECORDING)["dashboard"]["panels"] if p["title"] == "Ranking of labelled queries")

    assert {12.5} == {target["step"] for target in panel["targets"]}
    assert "[13000ms]" in panel["targets"][0]["expr"]


def test_a_panel_that_the_demonstration_has_nothing_for_says_so():
    """Each of them is one that there is."""
    panels = [panel for board in BOARDS for panel in page(board, RECORDING)["dashboard"]["panels"]]

    assert NOT_PLAYED == {panel["title"]: panel["notPlayed"] for panel in panels if panel["notPlayed"] is not None}


def test_without_a_recording_there_is_nothing_to_draw_again(tmp_path):
    """And it is said what to do."""
    with pytest.raises(PictureError, match="without --again"):
        Recording.read(tmp_path)


@every_board
def test_every_dashboard_has_its_picture(board):
    """Small enough for a page."""
    assert (build.HERE.parent / "docs" / "images" / f"{board.name}.png").stat().st_size < 300_000


def test_the_lock_file_names_no_registry():
    """Packages come from whatever registry npm is set to, at exact versions."""
    wanted = json.loads((PICTURE / "package.json").read_text())

    assert "resolved" not in (PICTURE / "package-lock.json").read_text()
    assert all(v[0].isdigit() for part in ("dependencies", "devDependencies") for v in wanted[part].values())
