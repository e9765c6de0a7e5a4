"""What is read of a journal: everything up to the first damage, and never a byte that was not checked."""

import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.journal import NOTHING, Ended, JournalError, Reading
from app.journal.frame import HEADER_BYTES, RECORD_HEAD_BYTES, Header, pack_header
from app.journal.segment import Segment, path_of

RECORDS = [f"record {number} ".encode() * (number + 1) for number in range(12)]
"""Three segments of four."""

FIRST_OF_LAST = RECORDS[8]


@pytest.fixture
def journal(tmp_path):
    """A directory with three segments of four records each."""
    write(tmp_path)
    return tmp_path


def write(directory):
    before = NOTHING
    for number in (1, 2, 3):
        segment = Segment.begin(directory, number, before, gap=False)
        for record in RECORDS[4 * number - 4 : 4 * number]:
            segment.append([record])
        before = segment.close()


def read(directory, since=None):
    """The records, and what is said of them."""
    reading = Reading(directory, since)
    return list(reading), reading.report


def start_of(directory, number, record):
    """Where a record begins in its segment."""
    return path_of(directory, number).read_bytes().index(RECORDS[record]) - RECORD_HEAD_BYTES


def change(directory, number, at, new):
    """Bytes of a segment, written over."""
    data = bytearray(path_of(directory, number).read_bytes())
    data[at : at + len(new)] = new
    path_of(directory, number).write_bytes(data)


def cut(directory, number, at):
    path = path_of(directory, number)
    path.write_bytes(path.read_bytes()[:at])


def test_all_of_a_sound_journal_is_read_in_order(journal):
    """And it is said to be all."""
    found, report = read(journal)

    assert RECORDS == found
    assert report.exact
    assert (12, 0, []) == (report.records, report.torn_bytes, report.aside)
    assert report.ended == Ended(3, path_of(journal, 3).stat().st_size)


def test_it_is_read_from_the_segment_that_a_snapshot_names(journal):
    """What is before that is in the snapshot."""
    found, report = read(journal, since=2)

    assert RECORDS[4:] == found
    assert report.exact


def test_there_may_be_none(tmp_path):
    """The first start."""
    found, report = read(tmp_path)

    assert [] == found
    assert report.exact
    assert report.ended == NOTHING


def torn_head(directory):
    cut(directory, 3, start_of(directory, 3, 11) + 5)


def torn_payload(directory):
    cut(directory, 3, start_of(directory, 3, 11) + RECORD_HEAD_BYTES + 20)


def zeros_at_the_end(directory):
    path = path_of(directory, 3)
    path.write_bytes(path.read_bytes() + bytes(4096))


def torn_header(directory):
    cut(directory, 3, HEADER_BYTES - 1)


def no_length_at_all(directory):
    cut(directory, 3, 0)


@pytest.mark.parametrize(
    ("tear", "survivors"),
    [(torn_head, 11), (torn_payload, 11), (zeros_at_the_end, 12), (torn_header, 8), (no_length_at_all, 8)],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_a_torn_end_costs_nothing_that_was_acknowledged(journal, tear, survivors):
    """What a process that died left half-written was never answered: the rest is still exact, and nothing is aside."""
    tear(journal)
    found, report = read(journal)

    assert RECORDS[:survivors] == found
    assert report.exact
    assert [] == report.aside


def bad_length(directory):
    change(directory, 2, start_of(directory, 2, 6), struct.pack("<I", 5))


def far_too_large_length(directory):
    change(directory, 2, start_of(directory, 2, 6), struct.pack("<I", 2**32 - 1))


def zero_length(directory):
    change(directory, 2, start_of(directory, 2, 6), bytes(4))


def bad_checksum(directory):
    change(directory, 2, start_of(directory, 2, 6) + 8, b"\0\0\0\0")


def bad_content(directory):
    change(directory, 2, start_of(directory, 2, 6) + RECORD_HEAD_BYTES, b"R")


def zeroed(directory):
    start = start_of(directory, 2, 6)
    change(directory, 2, start, bytes(path_of(directory, 2).stat().st_size - start))


def cut_in_the_middle(directory):
    cut(directory, 2, start_of(directory, 2, 6))


def bad_header(directory):
    change(directory, 2, 20, b"\xff")


def no_bytes(directory):
    cut(directory, 2, 0)


def missing(directory):
    path_of(directory, 2).unlink()


def of_another_place(directory):
    path_of(directory, 2).write_bytes(path_of(directory, 1).read_bytes())


def twice_the_same(directory):
    """A record copied over the next one of its length has the wrong place."""
    start = start_of(directory, 2, 6)
    record = path_of(directory, 2).read_bytes()[start : start + RECORD_HEAD_BYTES + len(RECORDS[6])]
    before = start_of(directory, 2, 5)
    change(directory, 2, before, record)


@pytest.mark.parametrize(
    ("damage", "survivors", "aside"),
    [
        (bad_length, 6, 2),
        (far_too_large_length, 6, 2),
        (zero_length, 6, 2),
        (bad_checksum, 6, 2),
        (bad_content, 6, 2),
        (zeroed, 6, 2),
        (cut_in_the_middle, 6, 2),
        (twice_the_same, 5, 2),
        (bad_header, 4, 2),
        (no_bytes, 4, 2),
        (missing, 4, 1),
        (of_another_place, 4, 2),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_everything_before_damage_is_kept_and_the_rest_is_put_aside(journal, damage, survivors, aside):
    """By names that nothing reads or deletes; and it is said that this is not all."""
    damage(journal)
    found, report = read(journal)

    assert RECORDS[:survivors] == found
    assert not report.exact
    assert aside == len(report.aside)
    assert sorted(report.aside) == sorted(each.name for each in journal.glob("*.corrupt-*"))


@pytest.mark.parametrize("damage", [bad_length, bad_checksum, bad_content, zero_length])
def test_damage_in_the_last_segment_is_not_taken_for_a_torn_end(journal, damage):
    """Records stand behind it that were acknowledged."""
    path_of(journal, 3).unlink()
    damage(journal)
    found, report = read(journal)

    assert RECORDS[:6] == found
    assert not report.exact
    assert 1 == len(report.aside)


@pytest.mark.parametrize("damage", [bad_content, bad_header, missing, torn_payload], ids=lambda each: each.__name__)
def test_what_is_written_after_damage_survives_the_next_restart(journal, damage):
    """The new segment says what counts of those before; and that something is missing stays known."""
    damage(journal)
    survivors, first = read(journal)
    segment = Segment.begin(journal, 9, first.ended, gap=not first.exact)
    segment.append([b"later", b"too"])
    segment.close()
    found, second = read(journal)

    assert [*survivors, b"later", b"too"] == found
    assert second.exact == first.exact
    assert [] == second.aside


def test_what_a_failed_write_left_behind_is_never_read(journal):
    """Its senders were told that it was refused, and sent it again."""
    left = path_of(journal, 3)
    refused = left.read_bytes()
    cut(journal, 3, start_of(journal, 3, 11))
    ended = Ended(3, left.stat().st_size)
    left.write_bytes(refused)
    segment = Segment.begin(journal, 4, ended, gap=False)
    segment.append([b"again"])
    segment.close()
    found, report = read(journal)

    assert [*RECORDS[:11], b"again"] == found
    assert report.exact


def test_a_journal_without_the_segment_of_its_snapshot_is_not_exact(journal):
    """Somebody removed files."""
    path_of(journal, 2).unlink()
    found, report = read(journal, since=2)

    assert [] == found
    assert not report.exact


def test_a_journal_that_is_gone_is_not_exact(tmp_path):
    """There is always the segment that a snapshot names."""
    found, report = read(tmp_path, since=2)

    assert [] == found
    assert not report.exact


def test_where_every_snapshot_is_lost_what_is_left_is_read_and_said_to_be_no_more(journal):
    """Its windows are better than none."""
    path_of(journal, 1).unlink()
    found, report = read(journal)

    assert RECORDS[4:] == found
    assert not report.exact


def test_a_newer_version_is_refused_and_left_alone(journal):
    """An older program would begin a journal that the newer one then misreads."""
    head = bytearray(pack_header(Header(3, Ended(2, 0), False, 0))[:-4])
    head[8:10] = struct.pack("<H", 2)
    change(journal, 3, 0, bytes(head) + struct.pack("<I", zlib.crc32(bytes(head))))
    before = {each.name: each.read_bytes() for each in journal.iterdir()}
    with pytest.raises(JournalError, match="format 2"):
        read(journal)

    assert before == {each.name: each.read_bytes() for each in journal.iterdir()}


def test_looking_changes_nothing(journal):
    """For a directory that another process owns."""
    bad_content(journal)
    before = {each.name: each.read_bytes() for each in journal.iterdir()}
    reading = Reading(journal, None, look=True)
    list(reading)

    assert ["journal-0000000002", "journal-0000000003"] == reading.report.aside
    assert before == {each.name: each.read_bytes() for each in journal.iterdir()}


def test_every_flipped_bit_is_found(tmp_path):
    """Each bit of a whole segment: what is read is a beginning of what was written, and never anything else."""
    write(tmp_path)
    path = path_of(tmp_path, 3)
    sound = path.read_bytes()
    for bit in range(8 * len(sound)):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found, report = _looked(tmp_path, since=3)
        assert found == RECORDS[8 : 8 + len(found)]
        assert len(found) < 4
        assert not report.exact


def test_a_cut_at_every_place_leaves_the_records_before_it(tmp_path):
    """And costs no more than the one that it went through."""
    write(tmp_path)
    path = path_of(tmp_path, 3)
    sound = path.read_bytes()
    ends = [sound.index(record) + len(record) for record in RECORDS[8:]]
    for length in range(len(sound)):
        path.write_bytes(sound[:length])
        found, report = _looked(tmp_path)
        assert 8 + sum(end <= length for end in ends) == len(found)
        assert report.exact


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A directory for many trials, and what its three segments hold at first."""
    directory = tmp_path_factory.mktemp("journal")
    write(directory)
    return directory, {number: path_of(directory, number).read_bytes() for number in (1, 2, 3)}


CHANGES = st.lists(st.tuples(st.sampled_from((1, 2, 3)), st.integers(0, 10**6), st.integers(0, 255)), max_size=20)


@given(CHANGES)
def test_whatever_the_bytes_only_what_was_written_is_read(sound, changes):
    """Any bytes changed anywhere: still a beginning, and no exception."""
    directory, segments = sound
    changed = {number: bytearray(data) for number, data in segments.items()}
    for number, at, value in changes:
        changed[number][at % len(changed[number])] = value
    for number, data in changed.items():
        path_of(directory, number).write_bytes(data)
    found, _ = _looked(directory)

    assert RECORDS[: len(found)] == found


def test_random_bytes_are_no_journal(tmp_path):
    """However many."""
    path_of(tmp_path, 1).write_bytes(random.Random(7).randbytes(5000))
    found, report = read(tmp_path)

    assert [] == found
    assert not report.exact


def _looked(directory, since=None):
    reading = Reading(directory, since, look=True)
    return list(reading), reading.report
