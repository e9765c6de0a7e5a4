"""A baseline made of a sample that has no time: fitted, calibrated and scored as `compare` does it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.baseline.content import Content, content_id, pictured
from app.baseline.file import from_bytes
from app.baseline.reference import STEPS, PinnedBaseline
from app.baseline.stacked import StackedBlocks, StackedSums
from app.compare import Reference
from app.decode.errors import Refused
from app.decode.event import series_key
from app.decode.inputs import hashed
from app.distribution import Distribution
from app.drift.same_input import KnownInputs
from app.model import Floats, SeriesKey
from app.series import Block
from app.sketch import TopInputs, content_keys
from app.vector_file import SERIES, VectorFile, VectorFileError
from app.vector_file import from_bytes as vectors_from_bytes

KNOWN_INPUTS: Final = 2048
"""Of the inputs that a sample names the most frequent: as many as are likely to come again, 3 MiB at 768 numbers."""


class SeriesError(ValueError):
    """Nobody said, or not rightly, whose vectors they are."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes baselines of files that were sent, or named at the start."""

    input_key: bytes
    """The exporter's secret: input hashes of a sample are hashed with it, as those of events are."""
    label_bytes: int
    """Length of a label value at most."""
    dimension: int
    """Numbers in a vector at most."""
    projected: bool = False
    """Whether a sample is measured by projections, see `Frame.fit`; a baseline stays as it is."""

    def baseline(self, data: bytes, named: Mapping[str, str], now: float) -> PinnedBaseline:
        """The baseline in a file that another exporter wrote, or made of a .npy or .npz sample; told apart by content.

        `named` has those of SERIES that the sender gave; they go before what a sample's file says. A second of CPU for
        4,096 vectors of 768 and more.

        Raises:
            VectorFileError: the bytes are no sample.
            BaselineFileError: they are a damaged baseline.
            SeriesError: it is not said whose vectors they are; or said of a baseline, which is of one series for ever.
            ValueError: a sample too small, or without any differences.
        """
        if _is_baseline(data):
            baseline = from_bytes(data)
            if any(baseline.key._asdict()[name] != value for name, value in named.items()):
                raise SeriesError("the baseline in the file is of another series; it names its own: leave them out")
            return baseline
        sample = vectors_from_bytes(data)
        key = self._key({**sample.series, **named})
        if sample.embedding.shape[1] > self.dimension:
            raise VectorFileError(f"vectors may have {self.dimension} numbers at most, not {sample.embedding.shape[1]}")
        return self._fitted(sample, key, now)

    def _key(self, names: Mapping[str, str]) -> SeriesKey:
        kind = names.get("kind", "query")
        if kind not in {"query", "document"}:
            raise SeriesError("kind must be query or document")
        if not names.get("model"):
            raise SeriesError(
                "model is required: the name of the embedding model, and where there are such model_version,"
                ' tokenizer_version and kind; or in the file: np.savez(file, embedding=vectors, model="...")'
            )
        try:
            return series_key(*(names.get(name) for name in SERIES[:3]), kind, self.label_bytes)
        except Refused as error:
            raise SeriesError(error.message) from error

    def _fitted(self, sample: VectorFile, key: SeriesKey, now: float) -> PinnedBaseline:
        reference = Reference(sample.embedding, norms=sample.norm, scores=sample.scores, projected=self.projected)
        try:
            hashes, _ = hashed(sample.input_hash, None, self.input_key)
        except UnicodeEncodeError:
            raise VectorFileError("input_hash must be valid Unicode") from None
        content = content_of(reference, hashes, sample.scores)
        if self.projected and content.known is not None:
            content = replace(content, known=content.known.projected())
        return PinnedBaseline(
            id=content_id(key, content),
            key=key,
            state="final",
            origin="uploaded",
            created=now,
            seconds=0.0,
            events=len(reference.sample),
            similarity_metric=None,
            content=content,
        )


def content_of(
    reference: Reference, hashes: NDArray[np.uint64] | None, scores: NDArray[np.generic] | None = None
) -> Content:
    """What a fitted sample is as a baseline; `hashes` are keyed, 0 for none, one a row as are `scores`, (n, k)."""
    sample = reference.sample
    keys = content_keys(sample.rows)
    known = None
    if hashes is not None:
        keys = np.where(hashes[sample.valid] == 0, keys, hashes[sample.valid])
        known = _known(hashes[sample.valid], sample.rows)
    top = TopInputs()
    top.update(keys)
    frequent, shares = top.shares()
    signals: dict[str, NDArray[np.floating]] = {
        "norm": sample.norms[sample.valid],
        "novelty": reference.held_out.novelty,
        "pc1": reference.held_out.components[:, 0],
        **_of_scores(scores),
    }
    return Content(
        signals={
            name: Distribution.of(values[np.isfinite(values)]).compact(STEPS)
            for name, values in signals.items()
            if np.isfinite(values).any()
        },
        frame=reference.frame,
        # A start is the place among them: they have no time.
        blocks=StackedBlocks.of(
            [
                Block.of_window(float(place), pane.vectors.n + pane.invalid, pane)
                for place, pane in enumerate(reference.panes)
            ]
        ),
        frame_sums=StackedSums.of([replace(pane.frame.compact(), features=np.empty(0)) for pane in reference.panes]),
        block_seconds=0.0,
        sample_sums=reference.frame.sums(reference.fitted_rows, reference.held_out),
        components=pictured(reference.held_out.components),
        known=known,
        top_inputs=dict(zip(frequent.tolist(), shares.tolist(), strict=True)),
        label_shares={},
        results=None,
    )


def _known(keys: NDArray[np.uint64], rows: NDArray[np.float32]) -> KnownInputs | None:
    """The most frequent inputs, each with its first vector."""
    present, first, counts = np.unique(keys, return_index=True, return_counts=True)
    kept = np.argsort(-np.where(present == 0, 0, counts), kind="stable")[:KNOWN_INPUTS]
    kept = np.sort(kept[present[kept] != 0])
    if not kept.size:
        return None
    chosen = rows[first[kept]].astype(np.float64)
    unit = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    return KnownInputs(present[kept], unit.astype(np.float16))


def _of_scores(scores: NDArray[np.generic] | None) -> dict[str, Floats]:
    """The signals of similarities, (n,) or (n, k), best first; NaN where there is none."""
    if scores is None:
        return {}
    ranks = np.asarray(scores, np.float64).reshape(len(scores), -1)
    present = np.isfinite(ranks)
    count = present.sum(axis=1)
    total = np.where(present, ranks, 0.0).sum(axis=1)
    signals = {
        "top1_similarity": ranks[:, 0],
        "similarity_mean": np.divide(total, count, out=np.full(len(ranks), np.nan), where=count > 0),
    }
    return signals if ranks.shape[1] < 2 else {**signals, "margin": ranks[:, 0] - ranks[:, 1]}


def _is_baseline(data: bytes) -> bool:
    """Whether another exporter wrote it: its archive has a header."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "header.npy" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return False
