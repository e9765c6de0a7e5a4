"""A baseline as a file: what is read measures as what was written, and what is damaged is refused, whole."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.baseline import BaselineFileError, PinnedBaseline, from_bytes, to_bytes
from app.baseline.reference import content_id
from app.distribution import Distribution
from app.drift import Limit
from app.model import SeriesKey, SimilarityMetric
from app.sketch import VectorSample
from tests.builders import KEY


def baseline(key=KEY, *, sample=True, rows=30):
    """A small one, with everything that a baseline may have."""
    rng = np.random.default_rng(7)
    signals = {name: Distribution.of(rng.normal(size=40)) for name in ("norm", "top1_similarity")}
    limits = {
        (window, signal, "ks"): Limit(0.1 + len(window), 500.0, 9000, 0.5, 0.01, 24)
        for window in ("5m", "1h")
        for signal in signals
    }
    vectors = None
    if sample:
        vectors = VectorSample(
            rng.normal(size=(rows, 4)).astype(np.float16),
            rng.random(rows).astype(np.float32),
            1.8e9 + rng.random(rows),
        )
    return PinnedBaseline(
        id=content_id(key, signals, limits, vectors),
        key=key,
        state="final",
        origin="learned",
        created=1.8e9,
        seconds=86400.0,
        events=9000,
        similarity_metric=SimilarityMetric.COSINE,
        signals=signals,
        limits=limits,
        sample=vectors,
    )


FILE = to_bytes(baseline())


def same(first, second):
    """Whether two baselines measure alike, and say the same of themselves."""
    plain = ("id", "key", "state", "created", "seconds", "events", "similarity_metric", "limits")
    if any(getattr(first, name) != getattr(second, name) for name in plain):
        return False
    if first.signals.keys() != second.signals.keys() or (first.sample is None) != (second.sample is None):
        return False
    pairs = [(first.signals[name], second.signals[name]) for name in first.signals]
    arrays = [(a.values, b.values) for a, b in pairs] + [(a.cumulative, b.cumulative) for a, b in pairs]
    if first.sample is not None:
        arrays += [
            (getattr(first.sample, name), getattr(second.sample, name)) for name in ("directions", "norms", "times")
        ]
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in arrays) and all(a.n == b.n for a, b in pairs)


@pytest.mark.parametrize("sample", [True, False])
@pytest.mark.parametrize("name", ["e5", "modèle/№ 1", "a\tb", "__other__", "../etc"])
def test_what_is_read_is_what_was_written(name, sample):
    """Bit for bit; that it came from a file is the one thing that it says otherwise."""
    written = baseline(SeriesKey(name, "1", "", "document"), sample=sample)

    read = from_bytes(to_bytes(written))

    assert same(written, read)
    assert "file" == read.origin


def check_damaged(data):
    """Damaged bytes are refused, unless nothing of what they say has changed."""
    try:
        read = from_bytes(data)
    except BaselineFileError:
        return
    assert same(baseline(), read)


@given(st.data())
def test_damage_anywhere_is_refused_and_nothing_else_is_raised(data):
    """Any byte changed to any other, up to four at once."""
    damaged = bytearray(FILE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(FILE) - 1))] = data.draw(st.integers(0, 255))

    check_damaged(bytes(damaged))


def test_a_flipped_bit_is_refused_wherever_it_is():
    """Every seventh byte of the file, each time another bit of it."""
    for position in range(0, len(FILE), 7):
        damaged = bytearray(FILE)
        damaged[position] ^= 1 << position % 8
        check_damaged(bytes(damaged))


def test_a_truncated_file_is_refused_wherever_it_ends():
    """As a copy that stopped, or a full disk, leaves it."""
    for length in [*range(0, len(FILE), 11), len(FILE) - 1]:
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
    assert same(baseline(), from_bytes(rewritten()))


def test_a_newer_format_is_refused_with_what_to_do():
    """Also where its header has fields that this version does not know."""
    with pytest.raises(BaselineFileError, match=r"format 2; this version reads up to 1.*upgrade"):
        from_bytes(rewritten(lambda header: header.update(format=2, frame="x")))


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["limits"][0].update(value=9.0),
        lambda header: header.update(model="another"),
        lambda header: header["signals"].update(norm=41),
        lambda header: header["signals"].pop("norm"),
        lambda header: header["signals"].update(unheard_of=3),
        lambda header: header.update(state="perfect"),
        lambda header: header.update(format="1"),
        lambda header: header.update(extra=1),
        lambda header: header.pop("id"),
        lambda header: header.update(limits=None),
        lambda header: header.update(events=1e300),
    ],
)
def test_a_changed_header_is_refused(change):
    """Its content does not match its id, or it is no header."""
    with pytest.raises(BaselineFileError):
        from_bytes(rewritten(change))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("norm.values", np.zeros(40)),
        ("norm.cumulative", np.zeros((2, 2))),
        ("norm.values", np.array(["a", "b"])),
        ("sample.norms", np.zeros(30, np.float32)),
        ("sample.directions", np.zeros((29, 4), np.float16)),
        ("header", np.zeros(0)),
    ],
)
def test_changed_arrays_are_refused(name, array):
    """Whatever they hold instead."""
    with pytest.raises(BaselineFileError):
        from_bytes(rewritten(**{name: array}))


def test_a_pickle_inside_is_not_run():
    """An archive may hold Python objects; reading them would run what they say."""
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([{"format": 1}], dtype=object))

    with pytest.raises(BaselineFileError):
        from_bytes(buffer.getvalue())


def test_the_id_is_of_all_that_a_baseline_measures_with():
    """Another key, distribution, number of events, limit or sample is another baseline."""
    one = baseline()
    shifted = dict(one.signals, norm=replace(one.signals["norm"], values=one.signals["norm"].values + 1))
    fewer = dict(one.signals, norm=replace(one.signals["norm"], n=39))
    looser = {name: replace(limit, value=limit.value * 2) for name, limit in one.limits.items()}
    ids = [
        content_id(one.key, one.signals, one.limits, one.sample),
        content_id(one.key._replace(kind="document"), one.signals, one.limits, one.sample),
        content_id(one.key, shifted, one.limits, one.sample),
        content_id(one.key, fewer, one.limits, one.sample),
        content_id(one.key, one.signals, looser, one.sample),
        content_id(one.key, one.signals, one.limits, None),
    ]

    assert one.id == ids[0]
    assert len(ids) == len(set(ids))
