"""The demonstration's corpus: what is read, how it is parted, what is held out."""

import sysconfig
from pathlib import Path

import pytest

from app.demo.corpus import NEW_TOPICS, Passage, build_corpus, docstrings, reference, source_files

TEXT = (
    "Return the sum of all numbers. The start value is added to the sum of them. Floats lose digits."
    " Use the accurate sum for floats in long lists."
)


def test_every_other_sentence_becomes_a_question_and_stands_in_no_passage():
    """Users do not ask in the words of the index."""
    corpus = build_corpus([Passage("math.total", "math", TEXT)], min_documents=1)

    assert ["math.total Return the sum of all numbers. Floats lose digits."] == [p.text for p in corpus.passages]
    assert [
        "The start value is added to the sum of them.",
        "Use the accurate sum for floats in long lists.",
    ] == [q.text for q in corpus.questions]


def test_a_sentence_of_many_documents_is_one_question():
    """Nobody asks for "See the documentation of the base class." a hundred times a day."""
    corpus = build_corpus([Passage(name, "math", TEXT) for name in ("math.total", "math.sum")], min_documents=1)

    assert 2 == len(corpus.passages)
    assert ["math.total"] * 2 == [q.about for q in corpus.questions]


@pytest.mark.parametrize("topic", sorted(NEW_TOPICS))
def test_a_new_topic_is_asked_about_and_not_indexed(topic):
    """What the act of new questions is about has no passage, so the model never reads it either."""
    documents = [Passage("math.total", "math", TEXT), Passage(f"{topic}.x", topic, TEXT.replace("sum", "window"))]
    corpus = build_corpus(documents, min_documents=1)

    assert {"math"} == {p.topic for p in corpus.passages}
    assert {"math"} == {q.topic for q in corpus.questions}
    assert {topic} == {q.topic for q in corpus.new_questions}


def test_a_python_without_its_sources_is_told_what_is_missing():
    """A stripped standard library is refused with the number found and what would be right."""
    with pytest.raises(RuntimeError, match=r"found 1 documented items .* needs 500: run it with a Python that ships"):
        build_corpus([Passage("math.total", "math", TEXT)])


def test_modules_are_parsed_and_never_run(tmp_path: Path):
    """Docstrings are found at every depth, in a module that could not be imported; a broken file is passed over."""
    (tmp_path / "dangerous.py").write_text(
        '"""The module."""\nraise SystemExit\n'
        'class A:\n    """The class."""\n    async def b(self):\n        """The method."""\n'
        '        def c(): "The inner."\n'
    )
    (tmp_path / "broken.py").write_text('"""Never."""\ndef (')
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text('"""The package."""')

    found = list(docstrings(sorted(tmp_path.rglob("*.py")), tmp_path))

    assert [
        ("dangerous", "dangerous", "The module."),
        ("dangerous.A", "dangerous", "The class."),
        ("dangerous.A.b", "dangerous", "The method."),
        ("dangerous.A.b.c", "dangerous", "The inner."),
        ("package", "package", "The package."),
    ] == found


def test_the_sources_are_the_standard_library_without_tests_and_other_packages():
    """Nothing that happens to be installed changes what the demonstration searches."""
    root = Path(sysconfig.get_path("stdlib"))
    found = [path.relative_to(root) for path in source_files(root)]

    assert sorted(found) == found
    assert {"json", "email", "turtle.py", "argparse.py"} <= {path.parts[0] for path in found}
    assert not {"test", "tests", "site-packages", "pydoc_data"} & {part for path in found for part in path.parts}


def test_the_language_reference_is_there():
    """Topics of the reference come in pieces, each under a name of its own."""
    passages = list(reference())
    names = [p.name for p in passages]

    assert len(names) == len(set(names))
    assert any("exception" in p.text.lower() for p in passages if p.topic == "reference.try")
