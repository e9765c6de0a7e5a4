"""Files of vectors: .npy and .npz into arrays that fit together, or a message that says what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EMBEDDING = "embedding"
OPTIONAL = ("norm", "scores", "input_hash")
"""Arrays beside the vectors, each with an entry a row."""


class VectorFileError(ValueError):
    """A file that cannot be read as vectors; the message names the file and what would be right."""


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

    @property
    def present(self) -> frozenset[str]:
        """Which of OPTIONAL the file has."""
        return frozenset(name for name in OPTIONAL if getattr(self, name) is not None)


def read(path: Path) -> VectorFile:
    """Read a .npy file (the vectors) or a .npz file (`embedding`, and any of OPTIONAL); told apart by their content.

    Pickled objects are never loaded. Raises VectorFileError.
    """
    arrays = _arrays(path)
    embedding = arrays[EMBEDDING]
    if embedding.ndim != 2 or 0 in embedding.shape:
        raise _wrong(path, EMBEDDING, embedding, "(n, d), one vector a row")
    rows = embedding.shape[0]
    norm, scores, hashes = (arrays.get(name) for name in OPTIONAL)
    if norm is not None and norm.shape != (rows,):
        raise _wrong(path, "norm", norm, f"({rows},), one length a vector")
    if scores is not None and (scores.ndim not in {1, 2} or scores.shape[0] != rows or 0 in scores.shape):
        raise _wrong(path, "scores", scores, f"({rows}, k), the best similarity first")
    if hashes is not None and hashes.shape != (rows,):
        raise _wrong(path, "input_hash", hashes, f"({rows},), one hash a vector")
    for name, array in ((EMBEDDING, embedding), ("norm", norm), ("scores", scores)):
        if array is not None and array.dtype.kind not in "fiu":
            raise VectorFileError(f"{path}: {name} must hold real numbers, it holds {array.dtype.name}")
    return VectorFile(embedding, norm, scores, None if hashes is None else _hashes(path, hashes))


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with path.open("rb") as opened:
            loaded = np.load(opened, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {EMBEDDING: loaded}
            names = list(loaded.files)
            found = {name: loaded[name] for name in (EMBEDDING, *OPTIONAL) if name in names}
    except OSError as error:
        raise VectorFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise VectorFileError(f"{path}: too large for this machine's memory; a sample of its rows will do") from error
    except Exception as error:
        # numpy, zipfile, zlib and tokenize each have errors of their own for what is damaged.
        raise VectorFileError(
            f"{path}: it is damaged, of another format, or holds Python objects; needed is a .npy file with one (n, d)"
            f" array of numbers, or a .npz file with such an array named {EMBEDDING}"
        ) from error
    if EMBEDDING not in found:
        has = ", ".join(sorted(names)[:8]) or "no array at all"
        raise VectorFileError(
            f"{path}: no array named {EMBEDDING}; it has {has}; save it as np.savez(file, {EMBEDDING}=vectors)"
        )
    for name, array in found.items():
        # Of a member that is no .npy file numpy gives the bytes.
        if not isinstance(array, np.ndarray):
            raise VectorFileError(f"{path}: {name} is no array; save it as np.savez(file, {name}=...)")
    return found


def _wrong(path: Path, name: str, array: NDArray[np.generic], right: str) -> VectorFileError:
    return VectorFileError(f"{path}: {name} has the shape {array.shape}; needed is {right}")


def _hashes(path: Path, hashes: NDArray[np.generic]) -> list[str | None]:
    if hashes.dtype.kind not in "USiu":
        raise VectorFileError(f"{path}: input_hash must hold strings or integers, it holds {hashes.dtype.name}")
    if hashes.dtype.kind == "S":
        return [key.decode("utf-8", "backslashreplace") or None for key in hashes.tolist()]
    return [str(key) or None for key in hashes.tolist()]
