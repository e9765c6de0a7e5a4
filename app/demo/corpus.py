"""What the demonstration searches: the language reference that pydoc ships, and the standard library's docstrings.

Modules are parsed, never imported: an import may open a window or change the terminal.
"""

from __future__ import annotations

import ast
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

# Tests and generated tables hold little prose; the others are retired or repeat another module's text.
SKIPPED = frozenset(
    {
        "_pydecimal",
        "_pyio",
        "distutils",
        "encodings",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "site-packages",
        "test",
        "tests",
        "turtledemo",
    }
)
NEW_TOPICS = frozenset(("tkinter", "turtle", "curses"))
"""What users begin to ask about in one act: held out of the index, and the model was not trained on it."""

MIN_DOCUMENTS = 500
MAX_PASSAGE_WORDS = 120

_Documentable = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_DOCTEST = re.compile(r"^[ \t]*(?:>>>|\.\.\.).*(?:\n[ \t]*\S.*)*", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z\"'(`*])|\n\s*\n")
_PARAGRAPHS = re.compile(r"\n\s*\n")


class Passage(NamedTuple):
    """One searchable piece of documentation."""

    name: str
    """Where it stands: a dotted name, or a topic of the reference with the number of the paragraph."""
    topic: str
    """The package it belongs to: what users come for at different times of day."""
    text: str


class Question(NamedTuple):
    """A sentence that no passage contains, asked by a user."""

    text: str
    topic: str
    about: str
    """The name of the documentation that it was taken from."""

    @property
    def part(self) -> str:
        """Of the documentation: the language reference or the library."""
        return "reference" if self.topic.startswith("reference.") else "library"


@dataclass(frozen=True, slots=True)
class Corpus:
    """The searchable passages, the questions about them, and questions about what is not there."""

    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]
    new_questions: tuple[Question, ...]


def load_corpus() -> Corpus:
    """The corpus of the Python that runs; a few seconds, most of them spent on parsing the standard library.

    Raises RuntimeError where this Python comes without its sources.
    """
    root = Path(sysconfig.get_path("stdlib"))
    return build_corpus([*docstrings(source_files(root), root), *reference()])


def build_corpus(documents: Iterable[Passage], *, min_documents: int = MIN_DOCUMENTS) -> Corpus:
    """Part each document's sentences between the index and the users: every other sentence becomes a question.

    A sentence that stands in many documents is one question: as one for each, it would look like a flood.

    Raises RuntimeError where there are fewer than `min_documents`.
    """
    passages: list[Passage] = []
    questions: list[Question] = []
    new_questions: list[Question] = []
    known: set[str] = set()
    for name, topic, text in documents:
        pieces = sentences(text)
        if not pieces:
            continue
        asked = [
            Question(piece, topic, name)
            for piece in dict.fromkeys(pieces[1::2])
            if 5 <= len(piece.split()) <= 40 and piece not in known
        ]
        known.update(question.text for question in asked)
        if topic in NEW_TOPICS:
            new_questions += asked
        else:
            words = " ".join(pieces[::2]).split()[:MAX_PASSAGE_WORDS]
            passages.append(Passage(name, topic, " ".join((name, *words))))
            questions += asked
    if len(passages) < min_documents:
        message = (
            f"found {len(passages)} documented items in this Python's standard library, the demonstration needs"
            f" {min_documents}: run it with a Python that ships its sources (not compiled, not zipped)"
        )
        raise RuntimeError(message)
    return Corpus(tuple(passages), tuple(questions), tuple(new_questions))


def sentences(text: str) -> list[str]:
    r"""The sentences of a docstring, examples left out, white space joined.

    >>> sentences("Return the sum. The start\n  counts too.\n\n>>> total(1)\n1\n")
    ['Return the sum.', 'The start counts too.']
    """
    pieces = (" ".join(piece.split()) for piece in _SENTENCE_END.split(_DOCTEST.sub("", text)))
    return [piece for piece in pieces if any(letter.isalpha() for letter in piece)]


def reference() -> Iterator[Passage]:
    """The language reference as pydoc ships it, four paragraphs a document."""
    from pydoc_data import topics  # noqa: PLC0415 half a megabyte that only the traffic process needs

    for title, text in sorted(topics.topics.items()):
        paragraphs = _PARAGRAPHS.split(text)
        for first in range(0, len(paragraphs), 4):
            name = f"reference.{title}.{first // 4 + 1}"
            yield Passage(name, f"reference.{title}", "\n\n".join(paragraphs[first : first + 4]))


def source_files(root: Path) -> list[Path]:
    """The public and private modules of the standard library under its root, in a fixed order."""
    return [path for path in sorted(root.rglob("*.py")) if _wanted(path.relative_to(root).parts)]


def docstrings(paths: Sequence[Path], root: Path) -> Iterator[Passage]:
    """Every docstring in the files, each under its dotted name; what does not parse is passed over."""
    for path in paths:
        try:
            tree = ast.parse(path.read_bytes())
        except SyntaxError:
            continue
        parts = [part for part in path.relative_to(root).with_suffix("").parts if part != "__init__"]
        yield from _documented(tree, ".".join(parts), parts[0])


def _wanted(parts: tuple[str, ...]) -> bool:
    names = {part.removesuffix(".py") for part in parts}
    return parts[0].removesuffix(".py") in sys.stdlib_module_names and not names & SKIPPED


def _documented(node: _Documentable, name: str, topic: str) -> Iterator[Passage]:
    text = ast.get_docstring(node)
    if text:
        yield Passage(name, topic, text)
    for child in node.body:
        if isinstance(child, _Documentable):
            yield from _documented(child, f"{name}.{child.name}", topic)
