"""A baseline as a file, so that replicas measure against the same one and a restart does not learn the drift."""

from __future__ import annotations

import io
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.baseline.content import content_id, pack, unpack
from app.baseline.reference import Origin, PinnedBaseline, State
from app.model import Kind, SeriesKey, SimilarityMetric

FORMAT = 3


class BaselineFileError(ValueError):
    """The file is no baseline, is damaged, or was written by a newer version."""


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
    origin: Origin


class _Format(msgspec.Struct):
    format: int


def to_bytes(baseline: PinnedBaseline) -> bytes:
    """The baseline as a .npz archive: a JSON header and arrays, nothing that runs when it is read."""
    header = _Header(
        format=FORMAT,
        # One that was kept with less than it was made of goes by its old name; in a file it is what it holds.
        id=content_id(baseline.key, baseline.content),
        **baseline.key._asdict(),
        state=baseline.state,
        created=baseline.created,
        seconds=baseline.seconds,
        events=baseline.events,
        similarity_metric=baseline.similarity_metric,
        origin="uploaded" if baseline.origin == "uploaded" else "file",
    )
    arrays = {"header": np.frombuffer(msgspec.json.encode(header), np.uint8), **pack(baseline.content)}
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
        if written_by != FORMAT:
            advice = "upgrade to load it" if written_by > FORMAT else "export it again"
            message = f"the baseline file has format {written_by}; this version reads {FORMAT}: {advice}"
            raise BaselineFileError(message)
        header = msgspec.json.decode(raw_header, type=_Header)
        baseline = _baseline(header, arrays)
        found = content_id(baseline.key, baseline.content)
    except BaselineFileError:
        raise
    except Exception as error:
        # zipfile, zlib, numpy and tokenize each raise their own for damaged bytes, a dozen kinds in all.
        message = "not a baseline file, or a damaged one: export it again with GET /v1/baselines/{id}"
        raise BaselineFileError(message) from error
    if found != header.id:
        message = "the baseline file is damaged: its content does not match its id; export it again"
        raise BaselineFileError(message)
    return baseline


def _baseline(header: _Header, arrays: Mapping[str, NDArray[np.generic]]) -> PinnedBaseline:
    return PinnedBaseline(
        id=header.id,
        key=SeriesKey(header.model, header.model_version, header.tokenizer_version, header.kind),
        state=header.state,
        origin=header.origin,
        created=header.created,
        seconds=header.seconds,
        events=header.events,
        similarity_metric=header.similarity_metric,
        content=unpack(arrays),
    )
