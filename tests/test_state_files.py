"""The state directory: generations of checked files, one owner, and what becomes of damaged ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from app.state import Snapshots, StateDirectory, StateError
from app.state.codec import decode, encode, no_pieces
from app.state.envelope import HEADER_BYTES, Damaged, Kind, Newer, open_sealed, seal
from app.state.packs import sparse
from app.tree import Part, Pieces, new_stamp
from tests.damage import newer


class Counting:
    """A part with one number that changes, and pieces that do not."""

    def __init__(self, pieces=3):
        self.number = 0
        self.stamps = [new_stamp() for _ in range(pieces)]
        self.frozen = 0

    def freeze(self, pieces: Pieces):
        return {
            "number": self.number,
            "rows": [pieces.piece(stamp, lambda at=at: self._rows(at)) for at, stamp in enumerate(self.stamps)],
        }

    def _rows(self, at):
        self.frozen += 1
        return {"rows": np.full((4, 2), at, np.float32)}

    def parts(self):
        return [Part("counting", self.freeze)]


def contents(snapshot):
    """The number and the rows of each piece; None where a piece is lost."""
    tree = snapshot.parts["counting"]
    return tree["number"], [None if each.tree is None else each.tree["rows"].tolist() for each in tree["rows"]]


def rows(*values):
    return [[[value] * 2] * 4 for value in values]


@pytest.fixture
def directory(tmp_path):
    taken = StateDirectory.take(tmp_path / "state")
    yield taken
    taken.release()


def files(directory):
    return sorted(each.name for each in directory.path.iterdir() if each.is_file() and each.name != "lock")


def flip(path, offset, bit=0):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


def test_a_generation_comes_back_as_it_was_written(directory):
    """Numbers, arrays and pieces."""
    part = Counting()
    part.number = 7

    Snapshots(directory).write(part.parts(), {"at": 1.5})
    read = Snapshots(directory).read()

    assert (7, rows(0, 1, 2)) == contents(read)
    assert {"at": 1.5} == read.facts
    assert 0 == read.lost


def test_a_piece_that_has_not_changed_is_written_once(directory):
    """Also not after a restart; a new stamp is a new piece."""
    part, snapshots = Counting(), Snapshots(directory)
    snapshots.write(part.parts(), {})
    snapshots.write(part.parts(), {})

    assert 3 == part.frozen
    part.stamps[1] = new_stamp()
    snapshots.write(part.parts(), {})
    assert 4 == part.frozen

    again = Snapshots(directory)
    read = again.read()
    part.stamps = [each.stamp for each in read.parts["counting"]["rows"]]
    again.write(part.parts(), {})
    assert 4 == part.frozen


def test_three_generations_are_kept_and_the_packs_that_they_name(directory):
    """The rest is removed."""
    part, snapshots = Counting(1), Snapshots(directory)
    for number in range(6):
        part.number, part.stamps = number, [new_stamp()]
        snapshots.write(part.parts(), {})

    assert [f"{kind}-{number:010}" for kind in ("manifest", "pack") for number in (4, 5, 6)] == files(directory)


def test_the_generation_before_a_damaged_one_is_used(directory):
    """The damaged file is kept aside by a name that says so, and the next generation is written."""
    part, snapshots = Counting(), Snapshots(directory)
    for number in (1, 2):
        part.number = number
        snapshots.write(part.parts(), {})
    flip(directory.named("manifest", 2), 70)

    again = Snapshots(directory)
    read = again.read()

    assert 1 == read.number == read.parts["counting"]["number"]
    assert 1 == again.damaged
    assert any(name.startswith("manifest-0000000002.corrupt-") for name in files(directory))
    assert 3 == again.write(part.parts(), {})


def test_a_damaged_pack_of_the_newest_generation_alone_costs_that_generation(directory):
    """The one before does not name it."""
    part, snapshots = Counting(), Snapshots(directory)
    snapshots.write(part.parts(), {})
    part.number, part.stamps[0] = 1, new_stamp()
    snapshots.write(part.parts(), {})
    flip(directory.named("pack", 2), HEADER_BYTES + 3)

    again = Snapshots(directory)

    assert (0, rows(0, 1, 2)) == contents(again.read())
    assert 2 == again.damaged
    assert {"manifest-0000000002.corrupt", "pack-0000000002.corrupt"} == {
        name.rpartition("-")[0] for name in files(directory) if "corrupt" in name
    }


def test_a_damaged_pack_that_all_generations_name_costs_the_damaged_piece_alone(directory):
    """What is left is read, and written anew before the damaged file is set aside."""
    part, snapshots = Counting(), Snapshots(directory)
    for number in (1, 2, 3):
        part.number = number
        snapshots.write(part.parts(), {})
    flip(directory.named("pack", 1), HEADER_BYTES + 3)

    again = Snapshots(directory)
    read = again.read()

    assert (3, [None, *rows(1, 2)]) == contents(read)
    assert 1 == read.lost
    assert "pack-0000000001" in files(directory)
    part.stamps = [new_stamp(), *[each.stamp for each in read.parts["counting"]["rows"][1:]]]
    again.write(part.parts(), {})
    assert any(name.startswith("pack-0000000001.corrupt-") for name in files(directory))
    assert (3, rows(0, 1, 2)) == contents(Snapshots(directory).read())


def test_a_missing_pack_is_a_damaged_one(directory):
    """As after an incomplete copy of the directory."""
    part, snapshots = Counting(), Snapshots(directory)
    snapshots.write(part.parts(), {})
    part.stamps[0] = new_stamp()
    snapshots.write(part.parts(), {})
    directory.named("pack", 2).unlink()

    assert 1 == Snapshots(directory).read().number


def test_an_empty_directory_has_no_generation(directory):
    """A first start."""
    assert Snapshots(directory).read() is None


@pytest.mark.faults
def test_every_flipped_bit_and_every_truncation_is_noticed_before_anything_is_decoded(directory):
    """Of a manifest and of a pack: the generation before is read, whole."""
    part, snapshots = Counting(1), Snapshots(directory)
    snapshots.write(part.parts(), {})
    part.number, part.stamps = 1, [new_stamp()]
    snapshots.write(part.parts(), {})
    whole = {path: path.read_bytes() for path in (directory.named("manifest", 2), directory.named("pack", 2))}

    def expect_generation_before():
        assert (0, rows(0)) == contents(Snapshots(directory).read())
        for each in directory.path.glob("*.corrupt-*"):
            each.unlink()
        for each, data in whole.items():
            each.write_bytes(data)

    for path, data in whole.items():
        for offset in range(len(data)):
            for bit in range(8):
                flip(path, offset, bit)
                expect_generation_before()
            path.write_bytes(data[:offset])
            expect_generation_before()
        path.write_bytes(data + b"\0")
        expect_generation_before()
    assert (1, rows(0)) == contents(Snapshots(directory).read())


def test_a_newer_format_is_refused_and_left_as_it_is(directory):
    """With advice; what a newer version wrote is not to be lost to a downgrade."""
    Snapshots(directory).write(Counting().parts(), {})
    path = directory.named("manifest", 1)
    path.write_bytes(newer(path.read_bytes()))
    before = {name: (directory.path / name).read_bytes() for name in files(directory)}

    with pytest.raises(StateError, match=r"format 2, this version reads 1 and older: upgrade"):
        Snapshots(directory).read()

    assert before == {name: (directory.path / name).read_bytes() for name in files(directory)}


def test_a_newer_envelope_is_told_from_a_damaged_one():
    """By its checksum, which every format has at the same place."""
    sealed = newer(seal(Kind.MANIFEST, b"content") + b"content")

    with pytest.raises(Newer):
        open_sealed(sealed, Kind.MANIFEST)
    with pytest.raises(Damaged):
        open_sealed(sealed[:-1] + b"T", Kind.MANIFEST)


def test_a_file_of_another_kind_is_damaged():
    """Whatever its name says."""
    with pytest.raises(Damaged, match="kind"):
        open_sealed(seal(Kind.PACK, b"x") + b"x", Kind.MANIFEST)


def test_what_cannot_be_written_leaves_nothing_behind(directory, monkeypatch):
    """A full disk: the generation before stays, no half-written file, and the next one is whole."""
    part, snapshots = Counting(), Snapshots(directory)
    snapshots.write(part.parts(), {})
    part.number, part.stamps[0] = 1, new_stamp()
    before = files(directory)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            snapshots.write(part.parts(), {})

    assert before == files(directory)
    snapshots.write(part.parts(), {})
    assert (1, rows(0, 1, 2)) == contents(Snapshots(directory).read())


def test_half_written_files_of_a_crash_are_swept(tmp_path):
    """At the next start; a pack that no manifest names goes with the next generation."""
    path = tmp_path / "state"
    StateDirectory.take(path).release()
    (path / "manifest-0000000009.tmp").write_bytes(b"half")
    (path / "pack-0000000009").write_bytes(b"orphan")

    directory = StateDirectory.take(path)
    Snapshots(directory).write(Counting().parts(), {})

    assert ["manifest-0000000010", "pack-0000000010"] == files(directory)
    directory.release()


def test_packs_hardly_in_use_are_joined(directory):
    """Else every pack with one live piece would stay for ever."""
    part, snapshots = Counting(40), Snapshots(directory)
    snapshots.write(part.parts(), {})
    for at in range(39):
        part.stamps[at] = new_stamp()
        snapshots.write(part.parts(), {})

    packs = directory.numbered("pack")
    assert 1 not in packs
    assert contents(Snapshots(directory).read()) == (0, rows(*range(40)))


def test_the_packs_to_be_joined_are_the_wasteful_and_past_a_number_the_small_ones():
    """So that a start opens few files."""
    assert {1} == sparse({1: 100, 2: 100}, {1: 49, 2: 50}, most=8)
    assert {3} == sparse({1: 10, 2: 10, 3: 10}, {1: 10, 2: 10, 3: 0}, most=2)
    assert {1, 2} == sparse({1: 10, 2: 20, 3: 30}, {1: 10, 2: 20, 3: 30}, most=2)


def test_only_their_owner_can_read_the_files(directory):
    """Whatever the umask."""
    before = os.umask(0)
    try:
        Snapshots(directory).write(Counting().parts(), {})
        directory.input_key()
    finally:
        os.umask(before)

    assert 0o700 == directory.path.stat().st_mode & 0o777
    assert {0o600} == {each.stat().st_mode & 0o777 for each in directory.path.iterdir() if each.is_file()}


def test_a_second_owner_is_refused_and_a_dead_one_holds_nothing(tmp_path):
    """In real processes: within two seconds, by a message that says who, and free after a kill -9."""
    path = tmp_path / "state"
    hold = (
        "import sys, time; from pathlib import Path; from app.state import StateDirectory;"
        "StateDirectory.take(Path(sys.argv[1])); print('taken', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", hold, path], stdout=subprocess.PIPE, text=True)
    try:
        assert "taken\n" == owner.stdout.readline()
        begun = time.monotonic()
        with pytest.raises(StateError, match=f"another process that is running \\({owner.pid}\\)"):
            StateDirectory.take(path)
        assert time.monotonic() - begun < 2
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    StateDirectory.take(path).release()


def test_the_secret_of_a_directory_stays(tmp_path):
    """So that an input that was seen before a restart is known after it; a broken one is refused."""
    path = tmp_path / "state"
    first = StateDirectory.take(path)
    key = first.input_key()
    first.release()
    second = StateDirectory.take(path)

    assert key == second.input_key()
    (path / "input.key").write_text("00ff\n")
    with pytest.raises(StateError, match="64 hexadecimal digits"):
        second.input_key()
    second.release()


def test_arrays_keep_their_type_shape_and_can_be_changed():
    """Whatever the machine's order of bytes."""
    tree = {
        "a": np.arange(6, dtype=np.float16).reshape(2, 3),
        "b": np.array([2**64 - 1], np.uint64),
        "c": np.zeros((0, 4), np.float32),
        "d": np.array([True, False]),
        "e": np.array([1.0], ">f8"),
    }

    found = decode(encode(tree, no_pieces), no_pieces)

    for name, array in tree.items():
        assert array.tolist() == found[name].tolist()
        assert array.shape == found[name].shape
        assert array.dtype.newbyteorder("=") == found[name].dtype
        assert found[name].flags.writeable
        assert found[name].flags.aligned


def test_only_plain_values_have_a_place_in_a_tree():
    """Objects would have to be unpickled."""
    for value in (np.array([object()]), np.array(["text"]), object(), np.float64(1)):
        with pytest.raises(TypeError, match="no place in a tree"):
            encode({"value": value}, no_pieces)
