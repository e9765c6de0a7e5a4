"""What a baseline holds, as values and as plain arrays: what it is named by, and what a file of it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.baseline.stacked import Arrays, Stacked, StackedBlocks, StackedSums
from app.distribution import Distribution
from app.drift.same_input import KnownInputs
from app.drift.sums import FrameSums
from app.frame import Frame
from app.model import SeriesKey
from app.series import Block, ResultKeys
from app.sketch import DistinctKeys

PICTURED_ROWS: Final = 512
"""Rows that a picture and distances between rows are made of: of all 2,048 they would cost sixteen times as much."""


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """All that a series is measured against; nothing of it changes once it is made."""

    signals: Mapping[str, Distribution]
    frame: Frame | None
    """None where there were too few vectors for one."""
    blocks: Sequence[Block]
    """Oldest first."""
    frame_sums: Sequence[FrameSums]
    """What each block's rows measured in the frame, without their fold's part in it; of no rows without a frame."""
    block_seconds: float
    """0 where the blocks have no time, as those of an uploaded sample."""
    sample_sums: FrameSums
    """Of all rows that the frame comes from, with their features."""
    components: NDArray[np.float32]
    """Coordinates of some of them along the leading components, see `pictured`; shape (n, 32 or less)."""
    known: KnownInputs | None
    top_inputs: Mapping[int, float]
    """Share of the vectors that the most frequent inputs had."""
    label_shares: Mapping[tuple[str, str], float]
    """Share of the events that had each slice label."""
    results: ResultKeys | None
    """Documents that queries found; None where none told ids."""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        steps = sum(each.values.nbytes + each.cumulative.nbytes for each in self.signals.values())
        blocks = _nbytes(self.blocks) + _nbytes(self.frame_sums)
        known = 0 if self.known is None else self.known.keys.nbytes + self.known.directions.nbytes
        results = 0 if self.results is None else self.results.distinct.nbytes
        return (
            steps + blocks + known + results + self.components.nbytes + (0 if self.frame is None else self.frame.nbytes)
        )


def _nbytes(parts: Sequence[Block] | Sequence[FrameSums]) -> int:
    return parts.nbytes if isinstance(parts, Stacked) else sum(each.nbytes for each in parts)


def content_id(key: SeriesKey, content: Content) -> str:
    """Hash of all that a baseline measures with."""
    digest = blake2b("\x00".join(key).encode(), digest_size=8)
    for name, array in sorted(pack(content).items()):
        digest.update(f"{name} {array.dtype} {array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def pictured(components: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most PICTURED_ROWS of them, evenly over the baseline's time, copied if they are fewer than there were."""
    rows = len(components)
    if rows <= PICTURED_ROWS:
        return components
    return components[np.linspace(0, rows - 1, PICTURED_ROWS).astype(np.intp)]


def pack(content: Content) -> Arrays:
    """The content as plain arrays."""
    arrays: Arrays = {
        "block_seconds": np.array(content.block_seconds, np.float64),
        "components": content.components,
        "top_inputs.keys": np.array(list(content.top_inputs), np.uint64),
        "top_inputs.shares": np.array(list(content.top_inputs.values()), np.float64),
        "labels.names": _text([f"{name}={value}" for name, value in content.label_shares]),
        "labels.shares": np.array(list(content.label_shares.values()), np.float64),
        "signals.names": _text(content.signals),
        **_prefixed("sample_sums", StackedSums.of([content.sample_sums]).arrays),
        **_prefixed("frame_sums", StackedSums.of(content.frame_sums).arrays),
        **_prefixed("blocks", StackedBlocks.of(content.blocks).arrays),
    }
    for name, distribution in content.signals.items():
        arrays[f"signals.{name}.values"] = distribution.values
        arrays[f"signals.{name}.cumulative"] = distribution.cumulative
        arrays[f"signals.{name}.n"] = np.array(distribution.n)
    if content.frame is not None:
        arrays |= _prefixed("frame", content.frame.to_arrays())
    if content.known is not None:
        arrays["known.keys"] = content.known.keys
        arrays["known.directions"] = content.known.directions
        if content.known.projected_from is not None:
            arrays["known.projected_from"] = np.array(content.known.projected_from, np.int64)
    if content.results is not None:
        arrays["results.keys"] = content.results.distinct.keys
        arrays["results.below"] = np.array(content.results.distinct.below, np.uint64)
        arrays["results.mark"] = np.array(content.results.mark, np.uint64)
    return arrays


def unpack(arrays: Mapping[str, NDArray[np.generic]]) -> Content:
    """The content that `pack` was asked of; KeyError, ValueError or IndexError where the arrays are not of one."""
    names = _lines(arrays["signals.names"])
    keys = np.asarray(arrays["top_inputs.keys"], np.uint64).tolist()
    labels = [tuple(line.split("=", 1)) for line in _lines(arrays["labels.names"])]
    return Content(
        signals={
            name: Distribution(
                np.asarray(arrays[f"signals.{name}.values"], np.float64),
                np.asarray(arrays[f"signals.{name}.cumulative"], np.float64),
                int(np.asarray(arrays[f"signals.{name}.n"])),
            )
            for name in names
        },
        frame=Frame.from_arrays(_within("frame", arrays)) if "frame.mean" in arrays else None,
        blocks=StackedBlocks(_within("blocks", arrays)),
        frame_sums=StackedSums(_within("frame_sums", arrays)),
        block_seconds=float(np.asarray(arrays["block_seconds"], np.float64)),
        sample_sums=StackedSums(_within("sample_sums", arrays))[0],
        components=np.asarray(arrays["components"], np.float32),
        known=KnownInputs(
            np.asarray(arrays["known.keys"], np.uint64),
            np.asarray(arrays["known.directions"], np.float16),
            int(np.asarray(arrays["known.projected_from"])) if "known.projected_from" in arrays else None,
        )
        if "known.keys" in arrays
        else None,
        top_inputs=dict(zip(keys, np.asarray(arrays["top_inputs.shares"], np.float64).tolist(), strict=True)),
        label_shares={
            (name, value): share
            for (name, value), share in zip(
                labels, np.asarray(arrays["labels.shares"], np.float64).tolist(), strict=True
            )
        },
        results=_to_results(_within("results", arrays)),
    )


def _to_results(arrays: Mapping[str, NDArray[np.generic]]) -> ResultKeys | None:
    if not arrays:
        return None
    keys, below, mark = (np.asarray(arrays[name], np.uint64) for name in ("keys", "below", "mark"))
    return ResultKeys(DistinctKeys.of(keys, int(below)), int(mark))


def _text(lines: Iterable[str]) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def _lines(array: NDArray[np.generic]) -> list[str]:
    return np.asarray(array, np.uint8).tobytes().decode().split("\n") if array.size else []


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[np.generic]]) -> Arrays:
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def _within(prefix: str, arrays: Mapping[str, NDArray[np.generic]]) -> Arrays:
    start = len(prefix) + 1
    return {name[start:]: array for name, array in arrays.items() if name.startswith(f"{prefix}.")}
