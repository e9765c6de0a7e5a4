"""check-state: what a directory holds and what of it is damaged, without touching it."""

import json
import signal
import time

import numpy as np
import pytest

from app import cli
from app.journal import NOTHING, Ended
from app.journal.segment import Segment
from app.state import Snapshots, StateDirectory
from app.state.envelope import HEADER_BYTES
from app.tree import Part, new_stamp
from tests.damage import newer
from tests.process import START_SECONDS, process

GENERATION = "generation 1 of 1970-01-01T00:01:40+00:00: series 1, events 7"


pytestmark = pytest.mark.usefixtures("logging_as_it_was")
"""The command sets up logging for its own process."""


@pytest.fixture
def directory(tmp_path):
    """A generation of one series, with a pack, and a segment of two records after it; nobody owns it."""
    taken = StateDirectory.take(tmp_path / "state")
    stamp = new_stamp()

    def freeze(pieces):
        rows = pieces.piece(stamp, lambda: {"rows": np.ones(4, np.float32)})
        return {"series": {"totals": {"counts": [7, 7, 7, 0, 0]}, "rows": rows}}

    segment = Segment.begin(taken.path, 1, NOTHING, gap=False)
    segment.append([b"one", b"two"])
    segment.close()
    Snapshots(taken).write([Part("series/a", freeze)], {"saved_at": 100.0, "journal": 1})
    taken.release()
    return taken.path


def contents(path):
    return {each.name: each.read_bytes() for each in path.rglob("*") if each.is_file()}


def check(path, capsys):
    """Exit code and lines; that nothing was changed is held each time."""
    before = contents(path)
    code = cli.main(["check-state", str(path)], environ={})
    assert before == contents(path)
    return code, capsys.readouterr().out.splitlines()


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_a_whole_directory_is_told_with_what_it_holds(directory, capsys):
    """Exit code 0."""
    assert (0, [GENERATION, "baselines: 0 of 0 series", "journal: 2 records"]) == check(directory, capsys)


def test_a_running_exporter_keeps_its_directory(directory, capsys):
    """It is said that there is one, and the directory is still its own."""
    owner = StateDirectory.take(directory)
    code, lines = check(directory, capsys)
    owner.release()

    assert 0 == code
    assert lines[0].startswith("owned by an exporter that is running")


def test_an_empty_directory_cannot_restore_anything(tmp_path, capsys):
    """A volume that was not mounted must not look healthy."""
    code, lines = check(tmp_path, capsys)

    assert 1 == code
    assert "DAMAGED no generation: an exporter would begin anew" in lines


def test_what_is_no_directory_is_wrong_usage(tmp_path, capsys):
    """Exit code 2, and why."""
    assert 2 == cli.main(["check-state", str(tmp_path / "absent")], environ={})
    assert "No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("manifest-0000000001", "DAMAGED manifest-0000000001: its checksum does not fit"),
        ("pack-0000000001", "DAMAGED manifest-0000000001: pack-0000000001: its checksum does not fit"),
        ("journal-0000000001", "DAMAGED journal-0000000001: damaged, or behind one that is damaged or missing"),
    ],
)
def test_a_flipped_bit_is_found(directory, capsys, name, told):
    """In a generation, in its pieces and in the journal."""
    flip(directory / name, HEADER_BYTES + 1)
    code, lines = check(directory, capsys)

    assert 1 == code
    assert told in lines


def test_a_damaged_baseline_is_found(directory, capsys):
    """By its file."""
    name = f"{'a' * 16}-000001-{'b' * 16}"
    (directory / "baselines" / name).write_bytes(b"nothing")
    code, lines = check(directory, capsys)

    assert 1 == code
    assert f"DAMAGED baselines/{name}: too short" in lines


def test_a_missing_segment_is_found(directory, capsys):
    """The generation says that it needs one."""
    (directory / "journal-0000000001").unlink()
    code, lines = check(directory, capsys)

    assert 1 == code
    assert "DAMAGED journal: a segment that a generation needs is missing" in lines


def test_a_newer_format_is_told_as_such(directory, capsys):
    """It is whole, and this version cannot restore it."""
    path = directory / "manifest-0000000001"
    path.write_bytes(newer(path.read_bytes()))
    code, lines = check(directory, capsys)

    assert 1 == code
    assert any("it has format 2, this version reads 1 and older" in line for line in lines)


def test_what_was_set_aside_before_is_told_and_no_fault(directory, capsys):
    """Nothing rests on it any more."""
    (directory / "pack-0000000009.corrupt-5").write_bytes(b"")
    code, lines = check(directory, capsys)

    assert 0 == code
    assert "set aside before: pack-0000000009.corrupt-5" in lines


@pytest.fixture
def two(directory):
    """A second generation, which needs the second segment on; the first still needs both."""
    taken = StateDirectory.take(directory)
    second = Segment.begin(taken.path, 2, Ended(1, (taken.path / "journal-0000000001").stat().st_size), gap=False)
    second.append([b"three"])
    second.close()
    tree = {"series": {"totals": {"counts": [9, 9, 9, 0, 0]}}}
    snapshots = Snapshots(taken)
    snapshots.read()
    snapshots.write([Part("series/a", lambda _: tree)], {"saved_at": 200.0, "journal": 2})
    taken.release()
    return directory


def test_what_only_an_older_generation_needs_of_the_journal_is_looked_at_too(two, capsys):
    """It is what a restart falls back to; said so, as the newest generation is whole without it."""
    assert "journal: 3 records" in check(two, capsys)[1]
    flip(two / "journal-0000000001", HEADER_BYTES + 1)
    code, lines = check(two, capsys)

    assert 1 == code
    assert (
        "DAMAGED journal: damaged or incomplete before journal-0000000002: only generations before the newest need that"
        in lines
    )


def test_what_the_newest_generation_needs_is_named(two, capsys):
    """By its file."""
    flip(two / "journal-0000000002", HEADER_BYTES + 1)

    assert "DAMAGED journal-0000000002: damaged, or behind one that is damaged or missing" in check(two, capsys)[1]


@pytest.mark.parametrize("mode", ["snapshot", "journal"])
def test_the_directory_of_a_real_process_is_whole_before_and_after_its_end(tmp_path, capsys, mode):
    """Beside the running one, after a stop, and after a second start and a kill; and damage to it is found."""
    state = tmp_path / "state"
    body = json.dumps({"events": [{"model": "e5", "embedding": [1.0, 2.0, 3.0], "scores": [0.9]}] * 40})
    for end in (signal.SIGTERM, signal.SIGKILL):
        with process(tmp_path, "--state-dir", str(state), "--state-mode", mode, "--time-scale", "60") as made:
            made.started()
            assert 202 == made.ask("POST", "/v1/events", body)[0]
            saved = int(made.metric("embedding_exporter_state_last_success_timestamp_seconds"))
            deadline = time.monotonic() + START_SECONDS
            while int(made.metric("embedding_exporter_state_last_success_timestamp_seconds")) <= saved + 1:
                assert time.monotonic() < deadline, made.log()
            made.signal(end)
            made.exit_code()
        code, lines = check(state, capsys)
        assert (0, []) == (code, [line for line in lines if "DAMAGED" in line or "set aside" in line]), lines
        assert any("series 1, events " in line for line in lines)
    path = max(state.glob("pack-*"))
    flip(path, path.stat().st_size // 2)
    code, lines = check(state, capsys)

    assert 1 == code
    assert any(path.name in line for line in lines if line.startswith("DAMAGED"))
