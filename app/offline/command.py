"""compare REFERENCE CURRENT: arguments, exit code, output."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from pathlib import Path

from app.compare import Comparison, compare
from app.offline import junit, report
from app.vector_file import OPTIONAL, VectorFile, read

NO_DRIFT, DRIFT, UNUSABLE = 0, 1, 2
"""Exit codes."""

DESCRIPTION = """\
Say whether the vectors of one file drifted from those of another, by statistics
on the vectors themselves. No server is needed."""

EPILOG = """\
files:
  .npy   one (n, d) array of numbers, a vector a row, in the order of time
  .npz   np.savez(file, embedding=vectors, ...) and beside it, if known,
         norm        (n,)    lengths before normalisation
         scores      (n, k)  similarities of the results, best first
         input_hash  (n,)    hash of each exact input: shows a changed model or
                             tokenizer in as few as 20 inputs that came again
  REFERENCE needs 200 valid vectors (2,000 are better), CURRENT 50.

exit code:
  0  no drift, or --fail-on never
  1  drift: a score is above 1
  2  not enough data, or a file that cannot be read

in a CI pipeline, after a step that embeds the same questions again:
  embedding-drift-exporter compare golden.npz build.npz --junit drift.xml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `compare`."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.add_argument("reference", type=Path, metavar="REFERENCE", help="file of what is normal")
    parser.add_argument("current", type=Path, metavar="CURRENT", help="file of what is to be checked")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--fail-on",
        choices=("drift", "never"),
        default="drift",
        help="what exit code 1 stands for: drift (the default), or never: report only",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write a JUnit XML file, a test case a statistic")


def run(arguments: argparse.Namespace) -> int:
    """Compare, print, and return the exit code."""
    try:
        return _run(arguments)
    except Exception:
        # Python's own exit code for what nobody foresaw is 1, which here says drift.
        traceback.print_exc()
        return UNUSABLE


def _run(arguments: argparse.Namespace) -> int:
    try:
        comparison = _compare(read(arguments.reference), read(arguments.current))
    except ValueError as error:
        _warn(f"error: {error}")
        _write(arguments.junit, junit.of_error(str(error)))
        return UNUSABLE
    if arguments.json:
        print(json.dumps(report.as_json(comparison), indent=2, allow_nan=False))
    else:
        print(report.as_text(comparison))
    if not _write(arguments.junit, junit.of_comparison(comparison)):
        return UNUSABLE
    return DRIFT if report.drifted(comparison) and arguments.fail_on == "drift" else NO_DRIFT


def _compare(reference: VectorFile, current: VectorFile) -> Comparison:
    both = reference.present & current.present
    for name in OPTIONAL:
        if name in (reference.present | current.present) - both:
            _warn(f"note: {name} is in one file only and is not compared")
    return compare(
        reference.embedding,
        current.embedding,
        reference_norms=reference.norm if "norm" in both else None,
        current_norms=current.norm if "norm" in both else None,
        reference_scores=reference.scores if "scores" in both else None,
        current_scores=current.scores if "scores" in both else None,
        reference_hashes=reference.input_hash if "input_hash" in both else None,
        current_hashes=current.input_hash if "input_hash" in both else None,
    )


def _write(path: Path | None, text: str) -> bool:
    """Whether there was nothing to write, or it was written."""
    if path is None:
        return True
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        _warn(f"error: {path}: cannot be written: {error.strerror}")
        return False
    return True


def _warn(line: str) -> None:
    # A file's name may hold what the terminal's encoding does not.
    printable = "".join(letter if letter.isprintable() else "?" for letter in line)
    print(f"embedding-drift-exporter compare: {printable}", file=sys.stderr)
