"""A baseline as a file, so that replicas measure against the same one and a restart does not learn the drift."""

from __future__ import annotations

import io
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.baseline.reference import PinnedBaseline, State, content_id
from app.distribution import Distribution
from app.drift import Limit
from app.model import Floats, Kind, SeriesKey, SimilarityMetric
from app.sketch import VectorSample

FORMAT = 1


class BaselineFileError(ValueError):
    """The file is no baseline, is damaged, or was written by a newer version."""


class _Limit(msgspec.Struct, forbid_unknown_fields=True):
    window: str
    signal: str
    statistic: str
    value: float
    events: float
    baseline_events: int
    noise_exponent: float
    floor: float
    blocks: int


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    id: str
    model: str
    model_version: str
    tokenizer_version: str
    kind: Kind
    state: State
    created: float
    seconds: float
    events: int
    similarity_metric: SimilarityMetric | None
    signals: dict[str, int]
    """Events behind each signal's distribution."""
    limits: list[_Limit]


class _Format(msgspec.Struct):
    format: int


def to_bytes(baseline: PinnedBaseline) -> bytes:
    """The baseline as a .npz archive: a JSON header and arrays, nothing that runs when it is read."""
    header = _Header(
        format=FORMAT,
        id=baseline.id,
        **baseline.key._asdict(),
        state=baseline.state,
        created=baseline.created,
        seconds=baseline.seconds,
        events=baseline.events,
        similarity_metric=baseline.similarity_metric,
        signals={name: distribution.n for name, distribution in baseline.signals.items()},
        limits=[
            _Limit(
                *key,
                limit.value,
                limit.events,
                limit.baseline_events,
                limit.noise_exponent,
                limit.floor,
                limit.blocks,
            )
            for key, limit in baseline.limits.items()
        ],
    )
    arrays: dict[str, NDArray[np.generic]] = {"header": np.frombuffer(msgspec.json.encode(header), np.uint8)}
    for name, distribution in baseline.signals.items():
        arrays[f"{name}.values"] = distribution.values
        arrays[f"{name}.cumulative"] = distribution.cumulative
    if baseline.sample is not None:
        arrays["sample.directions"] = baseline.sample.directions
        arrays["sample.norms"] = baseline.sample.norms
        arrays["sample.times"] = baseline.sample.times
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def from_bytes(data: bytes) -> PinnedBaseline:
    """Read what `to_bytes` wrote.

    Raises:
        BaselineFileError: and nothing else, whatever the bytes.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        raw_header = arrays["header"].tobytes()
        written_by = msgspec.json.decode(raw_header, type=_Format).format
        if written_by > FORMAT:
            message = (
                f"the baseline file has format {written_by}; this version reads up to {FORMAT}: upgrade to load it"
            )
            raise BaselineFileError(message)
        header = msgspec.json.decode(raw_header, type=_Header)
        baseline = _baseline(header, arrays)
    except BaselineFileError:
        raise
    except Exception as error:
        # zipfile, zlib, numpy and tokenize each raise their own for damaged bytes, a dozen kinds in all.
        message = "not a baseline file, or a damaged one: export it again with GET /v1/baselines/{id}"
        raise BaselineFileError(message) from error
    if content_id(baseline.key, baseline.signals, baseline.limits, baseline.sample) != header.id:
        message = "the baseline file is damaged: its content does not match its id; export it again"
        raise BaselineFileError(message)
    return baseline


def _baseline(header: _Header, arrays: Mapping[str, NDArray[np.generic]]) -> PinnedBaseline:
    sample = None
    if "sample.norms" in arrays:
        sample = VectorSample(
            np.asarray(arrays["sample.directions"], np.float16),
            np.asarray(arrays["sample.norms"], np.float32),
            _floats(arrays["sample.times"]),
        )
    return PinnedBaseline(
        id=header.id,
        key=SeriesKey(header.model, header.model_version, header.tokenizer_version, header.kind),
        state=header.state,
        origin="file",
        created=header.created,
        seconds=header.seconds,
        events=header.events,
        similarity_metric=header.similarity_metric,
        signals={
            name: Distribution(
                np.asarray(arrays[f"{name}.values"], np.float64),
                np.asarray(arrays[f"{name}.cumulative"], np.float64),
                n,
            )
            for name, n in header.signals.items()
        },
        limits={
            (each.window, each.signal, each.statistic): Limit(
                each.value, each.events, each.baseline_events, each.noise_exponent, each.floor, each.blocks
            )
            for each in header.limits
        },
        sample=sample,
    )


def _floats(array: NDArray[np.generic]) -> Floats:
    return np.asarray(array, np.float64)
