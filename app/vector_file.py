"""Files of vectors: .npy and .npz into arrays that fit together, or a message that says what would be right."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

EMBEDDING: Final = "embedding"
OPTIONAL: Final = ("norm", "scores", "input_hash")
"""Arrays beside the vectors, each with an entry a row."""

SERIES: Final = ("model", "model_version", "tokenizer_version", "kind")
"""Texts that say whose vectors they are; a file need not."""


class VectorFileError(ValueError):
    """A file whose arrays are not what is needed; the message says what would be right."""


class UnreadableError(VectorFileError):
    """A file that is damaged, or of another format."""


class TooLargeError(VectorFileError):
    """A file that holds more than it may."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorFile:
    """One file; rows in the order of time."""

    embedding: NDArray[np.generic]
    """Numbers, shape (n, d)."""
    norm: NDArray[np.generic] | None
    """Lengths before normalisation, shape (n,)."""
    scores: NDArray[np.generic] | None
    """Similarities, best first, shape (n,) or (n, k)."""
    input_hash: list[str | None] | None
    """One a row, None where not known."""
    series: Mapping[str, str]
    """Those of SERIES that it has."""

    @property
    def present(self) -> frozenset[str]:
        """Which of OPTIONAL the file has."""
        return frozenset(name for name in OPTIONAL if getattr(self, name) is not None)


def read(path: Path) -> VectorFile:
    """Read a file. Raises VectorFileError, whose message begins with the path."""
    try:
        with path.open("rb") as opened:
            arrays = _arrays(opened)
        return _file(arrays)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror or error}") from error
    except VectorFileError as error:
        raise type(error)(f"{path}: {error}") from error


def from_bytes(data: bytes) -> VectorFile:
    """Read what is in memory. Raises VectorFileError."""
    return _file(_arrays(io.BytesIO(data)))


def refuse_inflated(data: bytes, limit_bytes: int) -> None:
    """Say before it is inflated that an archive holds more than that. Raises TooLargeError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # zipfile inflates no more of a member than its entry says.
            inflated = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return
    if inflated > limit_bytes:
        raise TooLargeError(f"it holds {inflated} bytes, {limit_bytes} at most are taken: a sample of its rows will do")


def _file(arrays: Mapping[str, NDArray[np.generic]]) -> VectorFile:
    embedding = arrays[EMBEDDING]
    if embedding.ndim != 2 or 0 in embedding.shape:
        raise _wrong(EMBEDDING, embedding, "(n, d), one vector a row")
    rows = embedding.shape[0]
    norm, scores, hashes = (arrays.get(name) for name in OPTIONAL)
    if norm is not None and norm.shape != (rows,):
        raise _wrong("norm", norm, f"({rows},), one length a vector")
    if scores is not None and (scores.ndim not in {1, 2} or scores.shape[0] != rows or 0 in scores.shape):
        raise _wrong("scores", scores, f"({rows}, k), the best similarity first")
    if hashes is not None and hashes.shape != (rows,):
        raise _wrong("input_hash", hashes, f"({rows},), one hash a vector")
    for name, array in ((EMBEDDING, embedding), ("norm", norm), ("scores", scores)):
        if array is not None and array.dtype.kind not in "fiu":
            raise VectorFileError(f"{name} must hold real numbers, it holds {array.dtype.name}")
    series = {name: _text(name, arrays[name]) for name in SERIES if name in arrays}
    return VectorFile(embedding, norm, scores, None if hashes is None else _hashes(hashes), series)


def _arrays(opened: BinaryIO) -> dict[str, NDArray[np.generic]]:
    """The arrays that have a meaning here. A .npy and a .npz file are told apart by their content."""
    try:
        loaded = np.load(opened, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {EMBEDDING: loaded}
        names = list(loaded.files)
        found = {name: loaded[name] for name in (EMBEDDING, *OPTIONAL, *SERIES) if name in names}
    except MemoryError as error:
        raise TooLargeError("too large for this machine's memory; a sample of its rows will do") from error
    except Exception as error:
        # numpy, zipfile, zlib and tokenize each have errors of their own for what is damaged.
        raise UnreadableError(
            "it is damaged, of another format, or holds Python objects; needed is a .npy file with one (n, d)"
            f" array of numbers, or a .npz file with such an array named {EMBEDDING}"
        ) from error
    if EMBEDDING not in found:
        raise VectorFileError(f"no array named {EMBEDDING}; save it as np.savez(file, {EMBEDDING}=vectors)")
    for name, array in found.items():
        # Of a member that is no .npy file numpy gives the bytes.
        if not isinstance(array, np.ndarray):
            raise VectorFileError(f"{name} is no array; save it as np.savez(file, {name}=...)")
    return found


def _wrong(name: str, array: NDArray[np.generic], right: str) -> VectorFileError:
    return VectorFileError(f"{name} has the shape {array.shape}; needed is {right}")


def _text(name: str, array: NDArray[np.generic]) -> str:
    if array.ndim or array.dtype.kind != "U":
        raise VectorFileError(f"{name} must be one text; save it as np.savez(file, {name}=...)")
    return str(array)


def _hashes(hashes: NDArray[np.generic]) -> list[str | None]:
    if hashes.dtype.kind not in "USiu":
        raise VectorFileError(f"input_hash must hold strings or integers, it holds {hashes.dtype.name}")
    if hashes.dtype.kind == "S":
        return [key.decode("utf-8", "backslashreplace") or None for key in hashes.tolist()]
    return [str(key) or None for key in hashes.tolist()]
