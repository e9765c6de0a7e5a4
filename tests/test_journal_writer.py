"""Group commit: what is acknowledged is on disk, what is refused counts nowhere, and a broken disk is left behind."""

import asyncio
import errno
import os
import resource
import threading
from pathlib import Path

import pytest

from app.journal import Journal, Reading, Unwritable
from app.journal import segment as segments
from app.journal import writer as writers


class Kept:
    """Memory: what was applied, in its order."""

    def __init__(self, directory):
        self.applied = []
        reading = Reading(directory, None)
        self.read = list(reading)
        self.journal = Journal(directory, reading.report.ended, gap=not reading.report.exact)

    def commit(self, record):
        """As a request does."""
        return self.journal.commit(lambda: record, lambda: self.apply(record))

    def apply(self, record):
        self.applied.append(record)
        return len(self.applied)


class Disk:
    """The system calls of a segment, which fail when they are told to."""

    def __init__(self, monkeypatch):
        self.failing = {}
        self.synced = []
        self.syncs = 0
        write, sync = os.write, os.fdatasync

        def failing_write(descriptor, data):
            if "write" in self.failing:
                # Half of it arrives, as on a disk that runs full.
                write(descriptor, bytes(data[: len(data) // 2]))
                raise OSError(self.failing["write"], os.strerror(self.failing["write"]))
            return write(descriptor, data)

        def failing_sync(descriptor):
            self.syncs += 1
            self.synced.append(descriptor)
            if "sync" in self.failing:
                raise OSError(self.failing["sync"], os.strerror(self.failing["sync"]))
            sync(descriptor)

        monkeypatch.setattr(segments.os, "write", failing_write)
        monkeypatch.setattr(segments, "_sync", failing_sync)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture
def soon(monkeypatch):
    """Without the second between two attempts."""
    monkeypatch.setattr(writers, "RETRY_SECONDS", 0.0)


@pytest.fixture
def kept(tmp_path):
    made = Kept(tmp_path)
    made.journal.start()
    yield made
    made.journal.stop(5.0)


def run(*coroutines):
    """All at once; their results, or what they raised."""

    async def gathered():
        return await asyncio.gather(*coroutines, return_exceptions=True)

    return asyncio.run(gathered())


def test_what_was_acknowledged_is_read_back_in_the_order_it_was_applied(tmp_path, kept):
    """By another process, without the first having ended."""
    records = [str(number).encode() for number in range(100)]
    results = run(*map(kept.commit, records))

    assert sorted(results) == list(range(1, 101))
    assert list(Reading(tmp_path, None)) == kept.applied
    assert sorted(kept.applied) == sorted(records)


def test_all_that_wait_share_one_wait_for_the_disk(tmp_path, disk):
    """A hundred requests at once: the first may go alone, the others go together."""
    kept = Kept(tmp_path)
    with kept.journal._turn:
        # The writer waits for its turn while they gather.
        kept.journal._segment = kept.journal._begin()
        kept.journal._thread.start()

        async def gather():
            waiting = [asyncio.ensure_future(kept.commit(b"x")) for _ in range(100)]
            await asyncio.sleep(0)
            return waiting

        loop = asyncio.new_event_loop()
        waiting = loop.run_until_complete(gather())
    loop.run_until_complete(asyncio.gather(*waiting))
    loop.close()
    kept.journal.stop(5.0)

    assert disk.syncs <= 2
    assert 100 == kept.journal.status().records


def test_what_comes_in_one_turn_of_the_loop_shares_one_wait_for_the_disk(disk, kept):
    """Called for the first of them, the writer would take it alone, and the others wait for their own."""
    taken = threading.Event()

    def encode():
        taken.set()
        return b"x"

    async def at_length():
        waiting = asyncio.ensure_future(kept.journal.commit(encode, lambda: None))
        await asyncio.sleep(0)  # it is taken in, and the turn goes on as others of it would
        at_once = taken.wait(0.05)
        await waiting
        return at_once

    async def turn():
        return await asyncio.gather(at_length(), *(kept.commit(b"x") for _ in range(15)))

    before = disk.syncs
    assert asyncio.run(turn())[0] is False
    assert 1 == disk.syncs - before


def test_what_comes_after_a_loop_that_ended_waits_for_nobody(kept):
    """Its entry was taken in, and the call that it was to make at the end of its turn never came."""

    loop = asyncio.new_event_loop()

    async def left():
        waiting = asyncio.ensure_future(kept.commit(b"left"))
        await asyncio.sleep(0)
        loop.stop()
        await waiting

    ended = loop.create_task(left())
    loop.run_forever()
    run(kept.commit(b"after"))

    assert [b"left", b"after"] == kept.applied
    loop.run_until_complete(ended)
    loop.close()


def test_nothing_is_applied_before_it_is_on_disk(tmp_path, kept, monkeypatch):
    """Or a scrape would show what a crash takes back."""
    sync, order = os.fdatasync, []
    monkeypatch.setattr(segments, "_sync", lambda descriptor: (order.append("disk"), sync(descriptor)))
    run(kept.journal.commit(lambda: b"x", lambda: order.append("memory")))

    assert ["disk", "memory"] == order


@pytest.mark.parametrize("call", ["write", "sync"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_what_cannot_be_written_is_refused_and_counts_nowhere(tmp_path, kept, disk, soon, call, error):
    """Not now, not after a restart, not when it is sent again; and the first write that works is taken."""
    run(kept.commit(b"before"))
    disk.failing[call] = error
    refused = run(kept.commit(b"refused"))
    assert not kept.journal.status().writable
    again = run(kept.commit(b"again"))
    disk.failing.clear()
    taken = run(kept.commit(b"again"), kept.commit(b"after"))

    assert [True, True] == [isinstance(each, Unwritable) for each in (*refused, *again)]
    assert [2, 3] == taken
    assert [b"before", b"again", b"after"] == kept.applied == list(Reading(tmp_path, None))
    assert kept.journal.status().writable
    assert 2 == kept.journal.status().failures


def test_a_descriptor_whose_sync_failed_is_never_used_again(kept, disk, soon):
    """The system may call its pages clean, and say yes to the second try without having written."""
    disk.failing["sync"] = errno.EIO
    run(kept.commit(b"refused"))
    failed = disk.synced[-1]
    disk.failing.clear()
    # Held open by somebody else, or its number would be given to the next file.
    held = os.open("/dev/null", os.O_RDONLY)
    run(kept.commit(b"taken"))
    os.close(held)

    assert disk.synced[-1] != failed


def test_a_refused_record_that_reached_the_disk_is_not_read(tmp_path, kept, disk, soon, monkeypatch):
    """Where the file cannot be cut off either: the next segment says how much of it counts."""
    run(kept.commit(b"before"))
    monkeypatch.setattr(segments.os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "no")))
    disk.failing["sync"] = errno.EIO
    run(kept.commit(b"refused"))
    disk.failing.clear()
    run(kept.commit(b"again"))

    assert b"refused" in (tmp_path / "journal-0000000001").read_bytes()
    assert [b"before", b"again"] == list(Reading(tmp_path, None))


def test_a_disk_that_fails_leaves_no_litter(tmp_path, kept, disk, soon):
    """However long it does."""
    disk.failing["write"] = errno.ENOSPC
    for _ in range(20):
        run(kept.commit(b"refused"))

    assert ["journal-0000000001"] == [each.name for each in tmp_path.iterdir()]


def test_a_broken_disk_is_not_asked_for_every_request(kept, disk):
    """They are refused at once, and the disk is tried again after a second."""
    disk.failing["write"] = errno.ENOSPC
    run(*[kept.commit(b"refused") for _ in range(10)])
    run(kept.commit(b"refused"))

    assert 1 == kept.journal.status().failures


def test_a_file_that_may_not_grow_is_followed_by_another(tmp_path, kept, soon):
    """RLIMIT_FSIZE, in earnest: the record that meets it is refused, the next one is in a new segment."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        taken = run(*[kept.commit(b"x" * 4000) for _ in range(2)])
        refused = run(kept.commit(b"y" * 4000))
        again = run(kept.commit(b"z" * 4000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert [1, 2] == taken
    assert isinstance(refused[0], Unwritable)
    assert [3] == again
    assert list(Reading(tmp_path, None)) == kept.applied


def test_a_note_is_applied_whether_it_can_be_written_or_not(tmp_path, kept, disk, soon):
    """And is written before anything that is accepted after it."""
    disk.failing["sync"] = errno.ENOSPC
    kept.journal.note(b"note", lambda: kept.apply(b"note"))
    refused = run(kept.commit(b"refused"))
    disk.failing.clear()
    run(kept.commit(b"taken"))

    assert isinstance(refused[0], Unwritable)
    assert [b"note", b"taken"] == kept.applied == list(Reading(tmp_path, None))


def test_a_cut_separates_what_memory_holds_from_what_is_to_come(tmp_path, kept):
    """Under requests from many threads: what was applied at the cut is what the segments before it say."""
    done, moved = threading.Event(), threading.Event()

    def requests(name):
        for number in range(50):
            run(kept.commit(f"{name} {number}".encode()))
            moved.set()

    senders = [threading.Thread(target=requests, args=(name,)) for name in range(4)]
    cuts = []

    def cutter():
        # Each after another answer: without a pause between two of them the writer would rarely have its turn.
        while not done.is_set():
            moved.wait()
            moved.clear()
            with kept.journal.cut() as number:
                cuts.append((number, list(kept.applied)))

    cutting = threading.Thread(target=cutter)
    for each in (cutting, *senders):
        each.start()
    for each in senders:
        each.join()
    done.set()
    moved.set()
    cutting.join()

    assert len(cuts) > 20
    assert 200 == len(kept.applied)
    for number, held in cuts[:: max(1, len(cuts) // 20)]:
        reading = Reading(tmp_path, number, look=True)
        assert kept.applied == held + list(reading)
        assert reading.report.exact


def test_a_cut_on_a_full_disk_is_refused_and_the_segment_goes_on(tmp_path, kept, disk, soon):
    """What fits still fits."""
    run(kept.commit(b"before"))
    disk.failing["write"] = errno.ENOSPC
    with pytest.raises(OSError, match="space"), kept.journal.cut():
        pytest.fail("there is no segment")
    disk.failing.clear()
    run(kept.commit(b"after"))
    with kept.journal.cut() as number:
        held = list(kept.applied)
    run(kept.commit(b"later"))

    assert [b"before", b"after"] == held
    assert [b"later"] == list(Reading(tmp_path, number))


def test_segments_that_no_snapshot_needs_are_deleted(tmp_path, kept):
    """And their bytes counted no more."""
    numbers = []
    for _ in range(4):
        run(kept.commit(b"x" * 1000))
        with kept.journal.cut() as cut:
            numbers.append(cut)
    full = kept.journal.status().nbytes
    kept.journal.forget(before=numbers[2])
    left = sorted(int(each.name[-10:]) for each in tmp_path.iterdir())

    assert numbers[2:] == left
    assert kept.journal.status().nbytes == sum(each.stat().st_size for each in tmp_path.iterdir()) < full


def test_a_record_that_cannot_be_made_or_applied_costs_the_others_nothing(tmp_path, kept):
    """A bug in one: its sender is told, and nobody else notices."""

    def bug():
        raise ZeroDivisionError

    results = run(kept.journal.commit(bug, lambda: 1), kept.commit(b"x"), kept.journal.commit(lambda: b"y", bug))

    assert [ZeroDivisionError, int, ZeroDivisionError] == [type(each) for each in results]
    assert [b"x", b"y"] == list(Reading(tmp_path, None))


def test_too_many_that_wait_are_refused(tmp_path, monkeypatch):
    """What waits is bounded: nothing of the refused one is written."""
    monkeypatch.setattr(writers, "MAX_WAITING", 3)
    kept = Kept(tmp_path)

    async def four():
        waiting = [asyncio.ensure_future(kept.commit(str(number).encode())) for number in range(4)]
        await asyncio.sleep(0)
        kept.journal.start()
        return await asyncio.gather(*waiting, return_exceptions=True)

    results = asyncio.run(four())
    kept.journal.stop(5.0)

    assert [int, int, int, Unwritable] == [type(each) for each in results]
    assert 3 == len(list(Reading(tmp_path, None)))


def test_who_leaves_gets_no_answer_and_is_counted_all_the_same(tmp_path, kept):
    """What is on its way to the disk cannot be called back; the sender's next try is told by its key."""

    async def leave():
        waiting = asyncio.ensure_future(kept.commit(b"x"))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    kept.journal.stop(5.0)

    assert [b"x"] == kept.applied == list(Reading(tmp_path, None))


def test_a_stop_writes_what_waits_and_takes_no_more(tmp_path, kept):
    """Requests that come later are refused, not left without an answer."""
    run(kept.commit(b"x"))
    kept.journal.stop(5.0)

    assert isinstance(run(kept.commit(b"y"))[0], Unwritable)
    assert [b"x"] == list(Reading(tmp_path, None))


def test_the_cut_after_a_stop_follows_what_was_written(tmp_path, kept):
    """The last snapshot comes after the journal has ended: who falls back a generation reads on through all of it."""
    run(kept.commit(b"x"))
    kept.journal.stop(5.0)
    with kept.journal.cut():
        pass

    reading = Reading(tmp_path, 1, look=True)
    assert [b"x"] == list(reading)
    assert reading.report.exact


def test_files_are_for_their_owner_alone(tmp_path, kept):
    """0600, whatever the umask."""
    assert 0o600 == Path(tmp_path / "journal-0000000001").stat().st_mode & 0o777


def test_each_start_begins_a_segment_of_its_own(tmp_path):
    """Nothing is ever added to what another process wrote."""
    for start in range(3):
        kept = Kept(tmp_path)
        assert [str(each).encode() for each in range(start)] == kept.read
        kept.journal.start()
        run(kept.commit(str(start).encode()))
        kept.journal.stop(5.0)

    assert 3 == len(list(tmp_path.iterdir()))


def test_a_start_on_a_full_disk_says_so(tmp_path, disk):
    """It could accept nothing: better told than found out."""
    disk.failing["write"] = errno.ENOSPC
    with pytest.raises(OSError, match="space"):
        Kept(tmp_path).journal.start()

    assert [] == list(tmp_path.iterdir())
