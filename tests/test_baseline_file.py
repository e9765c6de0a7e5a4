"""A baseline as a file: what is read measures as what was written, and what is damaged is refused, whole."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.baseline import BaselineFileError, Budget, PinnedBaseline, from_bytes, to_bytes
from app.baseline.calibrate import calibrate
from app.baseline.content import Content, content_id, pack
from app.distribution import Distribution
from app.drift.same_input import KnownInputs
from app.drift.sums import FrameSums, VectorSums
from app.frame import Frame
from app.model import SeriesKey, SimilarityMetric, Timing
from app.series import Block, ResultKeys
from app.sketch import DistinctKeys
from tests.builders import KEY

DIMENSION = 6
BLOCKS = 20
EACH = 12
TIMING, BUDGET = Timing(), Budget(1.0, Timing().windows)


def block(number, rows, frame, measured):
    """One of five minutes, and what its rows measured; some are without vectors, some without scores."""
    rng = np.random.default_rng(number)
    norms = np.linalg.norm(rows, axis=1)
    signals = [("norm", len(rows))] if len(rows) else []
    steps = [np.sort(norms)]
    if number % 5:
        signals.append(("top1_similarity", EACH))
        steps.append(np.sort(rng.normal(0.6, 0.1, EACH)))
    sums = FrameSums.none()
    if len(rows) and frame is not None:
        sums = replace(frame.sums(rows, measured).compact(), features=np.zeros(0, np.float32))
    vectors = VectorSums.of(rows) if len(rows) else VectorSums.none()
    vectors.total = vectors.total.astype(np.float32)
    quantiles = np.concatenate(steps).astype(np.float32)
    return Block(300.0 * number, EACH + 2, 2, vectors, tuple(signals), quantiles), sums


def content(*, frame=True, known=True, vectors=True, results=True):
    """A small one, with everything that a baseline may have."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(BLOCKS * EACH, DIMENSION)).astype(np.float32)
    fit = Frame.fit(rows) if frame else None
    blocks = []
    for number in range(BLOCKS):
        part = slice(number * EACH, number * EACH + (EACH if vectors and number != 3 else 0))
        blocks.append(block(number, rows[part], fit and fit.frame, fit and fit.held_out.take(part)))
    return Content(
        signals={name: Distribution.of(rng.normal(0.6, 0.1, 40)) for name in ("norm", "top1_similarity", "novelty")},
        frame=fit and fit.frame,
        blocks=tuple(each for each, _ in blocks),
        frame_sums=tuple(sums for _, sums in blocks),
        block_seconds=300.0,
        sample_sums=fit.frame.sums(rows, fit.held_out).compact() if fit else FrameSums.none(),
        components=fit.held_out.components if fit else np.empty((0, 0), np.float32),
        known=KnownInputs(np.array([3, 2**63 + 1], np.uint64), rows[:2].astype(np.float16)) if known else None,
        top_inputs={5: 0.25, 2**64 - 1: 0.125},
        label_shares={("locale", "de=AT"): 0.5, ("locale", ""): 0.25, ("tier", "\u2713"): 1.0},
        results=ResultKeys(DistinctKeys.of(np.array([3, 2**63 + 1], np.uint64), 2**63 + 2), 2**64 - 2)
        if results
        else None,
    )


def baseline(key=KEY, **parts):
    """A final baseline of a day."""
    made = content(**parts)
    return PinnedBaseline(
        id=content_id(key, made),
        key=key,
        state="final",
        origin="learned",
        created=1.8e9,
        seconds=86400.0,
        events=9000,
        similarity_metric=SimilarityMetric.COSINE,
        content=made,
    )


BASELINE = baseline()
FILE = to_bytes(BASELINE)


def same(first, second):
    """Whether two baselines measure alike, and say the same of themselves."""
    plain = ("id", "key", "state", "created", "seconds", "events", "similarity_metric", "poor_match_limit")
    if any(getattr(first, name) != getattr(second, name) for name in plain):
        return False
    one, other = pack(first.content), pack(second.content)
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )


WHOLE = {"frame": True, "known": True, "vectors": True, "results": True}


@pytest.mark.parametrize(
    "parts", [WHOLE, {**WHOLE, "known": False}, {**WHOLE, "frame": False}, dict.fromkeys(WHOLE, False)]
)
@pytest.mark.parametrize("name", ["e5", "modèle/№ 1", "a\tb", "__other__", "../etc"])
def test_what_is_read_is_what_was_written(name, parts):
    """Bit for bit; that it came from a file is the one thing that it says otherwise."""
    written = baseline(SeriesKey(name, "1", "", "document"), **parts)

    read = from_bytes(to_bytes(written))

    assert same(written, read)
    assert "file" == read.origin
    assert content_id(read.key, read.content) == read.id == written.id
    assert (written.content.top_inputs, written.content.label_shares) == (
        read.content.top_inputs,
        read.content.label_shares,
    )
    for before, after in zip(written.content.blocks, read.content.blocks, strict=True):
        assert (before.start, before.events, before.invalid, before.signals) == (
            after.start,
            after.events,
            after.invalid,
            after.signals,
        )
        assert (before.vectors.n, before.vectors.squares) == (after.vectors.n, after.vectors.squares)
        assert before.vectors.total.tolist() == after.vectors.total.tolist()
        assert before.quantiles.tolist() == after.quantiles.tolist()


def test_an_uploaded_sample_stays_an_uploaded_one():
    """What it is called in the label `baseline` does not hang on who wrote the file."""
    read = from_bytes(to_bytes(replace(BASELINE, origin="uploaded")))

    assert ("uploaded", "uploaded") == (read.origin, read.name)


def plain(value):
    """Everything in a tree of values, as numbers that can be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return getattr(value, "__name__", value)


@pytest.mark.parametrize("parts", [WHOLE, {**WHOLE, "frame": False}, dict.fromkeys(WHOLE, False)])
def test_a_restarted_baseline_gives_the_same_thresholds(parts):
    """Every number of every limit of every window, to the last bit: so two replicas with one file score alike."""
    written = baseline(**parts)
    read = from_bytes(to_bytes(written))

    before, after = (calibrate(each.content, TIMING, BUDGET) for each in (written, read))

    assert {"5m", "1h", "24h"} == before.keys() == after.keys()
    for window in before:
        assert before[window].has_limits
        assert plain(before[window]) == plain(after[window])
    assert (before["5m"].vectors is not None) == parts["frame"]


def check_damaged(data):
    """Damaged bytes are refused, unless nothing of what they say has changed."""
    try:
        read = from_bytes(data)
    except BaselineFileError:
        return
    assert same(BASELINE, read)


@settings(max_examples=150)
@given(st.data())
def test_damage_anywhere_is_refused_and_nothing_else_is_raised(data):
    """Any byte changed to any other, up to four at once."""
    damaged = bytearray(FILE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(FILE) - 1))] = data.draw(st.integers(0, 255))

    check_damaged(bytes(damaged))


def test_a_flipped_bit_is_refused_wherever_it_is():
    """Every 97th byte of the file and more near its ends, each time another bit of it."""
    for position in [*range(0, len(FILE), 97), *range(0, 200, 3), *range(len(FILE) - 3000, len(FILE), 13)]:
        damaged = bytearray(FILE)
        damaged[position] ^= 1 << position % 8
        check_damaged(bytes(damaged))


def test_a_truncated_file_is_refused_wherever_it_ends():
    """As a copy that stopped, or a full disk, leaves it."""
    for length in [*range(0, len(FILE), 397), *range(len(FILE) - 60, len(FILE))]:
        with pytest.raises(BaselineFileError):
            from_bytes(FILE[:length])


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused(data):
    """A picture, a text, nothing at all."""
    with pytest.raises(BaselineFileError, match="not a baseline file"):
        from_bytes(data)


@given(st.binary(max_size=120), st.sampled_from([b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"PK\x05\x06", b"\x80\x04"]))
def test_bytes_that_begin_well_are_refused_too(data, magic):
    """A zip, an array, an empty zip and a pickle, none of which is a baseline."""
    with pytest.raises(BaselineFileError):
        from_bytes(magic + data)


def rewritten(change=lambda header: None, **arrays):
    """The file with another header or other arrays, its checksums right."""
    with np.load(io.BytesIO(FILE)) as archive:
        found = {name: archive[name] for name in archive.files} | arrays
    if "header" not in arrays:
        header = json.loads(found["header"].tobytes())
        change(header)
        found["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **found)
    return buffer.getvalue()


def test_a_rewritten_file_is_as_good_as_the_first():
    """What the next tests change is what they are refused for."""
    assert same(BASELINE, from_bytes(rewritten()))


@pytest.mark.parametrize(
    ("written_by", "advice"), [(2, "export it again"), (4, "upgrade to load it"), (99, "upgrade to load it")]
)
def test_another_format_is_refused_with_what_to_do(written_by, advice):
    """Also where its header has fields that this version does not know."""
    with pytest.raises(BaselineFileError, match=rf"format {written_by}; this version reads 3: {advice}"):
        from_bytes(rewritten(lambda header: header.update(format=written_by, limits=[])))


def test_a_file_of_the_first_version_is_refused_with_what_to_do():
    """It had limits and a sample of vectors, and no blocks to learn from."""
    header = {"format": 1, "id": "x", "model": "e5", "signals": {"norm": 40}, "limits": []}
    buffer = io.BytesIO()
    np.savez(buffer, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **{"norm.values": np.zeros(40)})

    with pytest.raises(BaselineFileError, match="export it again"):
        from_bytes(buffer.getvalue())


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(model="another"),
        lambda header: header.update(kind="document"),
        lambda header: header.update(kind="neither"),
        lambda header: header.update(state="perfect"),
        lambda header: header.update(format="2"),
        lambda header: header.update(extra=1),
        lambda header: header.pop("id"),
        lambda header: header.update(id="0123456789abcdef"),
        lambda header: header.update(events=1e300),
        lambda header: header.update(origin="nowhere"),
        lambda header: header.update(similarity_metric="taste"),
    ],
)
def test_a_changed_header_is_refused(change):
    """Its content does not match its id, or it is no header."""
    with pytest.raises(BaselineFileError):
        from_bytes(rewritten(change))


ARRAYS = pack(BASELINE.content)


@pytest.mark.parametrize("name", [name for name, array in ARRAYS.items() if array.size])
def test_any_array_that_is_another_is_refused(name):
    """Another number in it, another shape or type, or none of it: nothing that a baseline measures with goes unseen."""
    array = ARRAYS[name]
    other = np.array(array)
    flat = other.reshape(-1)
    flat[0] = flat[0] + 1
    wrong = [other, np.zeros((2, 3, 4)), np.array(["a", "b"]), np.array(3), np.empty(0, array.dtype)]

    for each in wrong:
        if each.shape == array.shape and np.array_equal(each, array):
            continue
        with pytest.raises(BaselineFileError):
            from_bytes(rewritten(**{name: each}))


@pytest.mark.parametrize("name", ARRAYS)
def test_a_file_without_any_one_array_is_refused(name):
    """As one that an earlier draft of the format wrote."""
    with np.load(io.BytesIO(FILE)) as archive:
        kept = {each: archive[each] for each in archive.files if each != name}
    buffer = io.BytesIO()
    np.savez(buffer, **kept)

    with pytest.raises(BaselineFileError):
        from_bytes(buffer.getvalue())


def test_a_header_that_is_none_is_refused():
    """Or that is not there."""
    with pytest.raises(BaselineFileError):
        from_bytes(rewritten(header=np.zeros(0)))


def test_a_pickle_inside_is_not_run():
    """An archive may hold Python objects; reading them would run what they say."""
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([{"format": 1}], dtype=object))

    with pytest.raises(BaselineFileError):
        from_bytes(buffer.getvalue())


def test_the_id_is_of_all_that_a_baseline_measures_with():
    """Another key, distribution, number of events, block, frame, known input or share is another baseline."""
    one = BASELINE.content
    norm = one.signals["norm"]
    first = one.blocks[0]
    later = replace(first, start=first.start + 1)
    contents = [
        one,
        replace(one, signals={**one.signals, "norm": replace(norm, values=norm.values + 1)}),
        replace(one, signals={**one.signals, "norm": replace(norm, n=39)}),
        replace(one, frame=None),
        replace(one, known=None),
        replace(one, blocks=(later, *one.blocks[1:])),
        replace(one, blocks=one.blocks[1:], frame_sums=one.frame_sums[1:]),
        replace(one, top_inputs={5: 0.25}),
        replace(one, label_shares={}),
        replace(one, block_seconds=600.0),
    ]
    ids = [content_id(KEY, each) for each in contents]
    ids.append(content_id(KEY._replace(kind="document"), one))

    assert BASELINE.id == ids[0]
    assert len(ids) == len(set(ids))
