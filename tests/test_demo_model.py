"""The demonstration's embedding model and search engine against plain numpy."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.demo import lsa
from app.demo.lsa import LatentSemanticModel, SparseRows, truncated_svd
from app.demo.search import Index
from app.demo.tokenizer import cased, uncased

TEXTS = [
    "open a file and read lines from the file",
    "read bytes from an open file",
    "write lines to a text file and close it",
    "send bytes over a socket to the server",
    "a server listens on a socket for a client",
    "the client connects its socket to the server",
    "parse dates and times of a calendar",
    "times and dates in a calendar month",
]


def sparse(dense):
    rows, columns = np.nonzero(dense)
    offsets = np.concatenate(([0], np.cumsum(np.count_nonzero(dense, axis=1))))
    return SparseRows(columns, dense[rows, columns].astype(np.float32), offsets, dense.shape[1])


@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    share=st.sampled_from([0, 0.1, 0.6, 1]),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("chunk", [1, 5, 32768])
def test_a_sparse_product_is_the_dense_one(chunk, rows, columns, share, seed):
    """Also with empty rows, and however the entries fall into chunks; and so is the transposed one."""
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 9, (rows, columns)) * (rng.random((rows, columns)) < share)
    right = rng.integers(-4, 5, (columns, 3)).astype(np.float32)
    left = rng.integers(-4, 5, (rows, 3)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lsa, "CHUNK_ENTRIES", chunk)

        np.testing.assert_array_equal(dense @ right, sparse(dense).dot(right))
        np.testing.assert_array_equal(dense.T @ left, sparse(dense).transposed().dot(left))


def test_the_randomised_decomposition_finds_the_leading_singular_vectors():
    """On a spectrum that decays, its subspace is that of the full decomposition."""
    rng = np.random.default_rng(7)
    left, _ = np.linalg.qr(rng.standard_normal((200, 40)))
    right, _ = np.linalg.qr(rng.standard_normal((60, 40)))
    dense = left * 0.7 ** np.arange(40) @ right.T

    found = truncated_svd(sparse(dense), 8, rng)

    assert (60, 8) == found.shape
    np.testing.assert_allclose(np.eye(8), found.T @ found, atol=1e-5)
    np.testing.assert_allclose(np.ones(8), np.linalg.svd(right[:, :8].T @ found, compute_uv=False), atol=1e-4)


@pytest.fixture(scope="module")
def model():
    return LatentSemanticModel.fit(TEXTS, uncased, dimensions=4)


def test_words_that_keep_the_same_company_are_near_though_they_never_meet():
    """The model has learned a subject from its words: that is what makes the search semantic."""
    rng = np.random.default_rng(7)
    subjects = ["file read byte line path", "socket server client host port", "date month year clock zone"]
    texts = [" ".join(rng.choice(words.split(), 3, replace=False)) for words in subjects for _ in range(60)]
    apart = [text for text in texts if not {"file", "path"} <= set(text.split())]
    vectors = LatentSemanticModel.fit(apart, uncased, dimensions=3).embed(["file", "path", "socket", "month"], uncased)
    cosine = vectors @ vectors.T / np.outer(*[np.linalg.norm(vectors, axis=1)] * 2)

    assert cosine[0, 1] > 0.9
    assert np.abs(cosine[:2, 2:]).max() < 0.1


def test_an_embedding_has_unit_length_and_that_of_nothing_is_zero(model):
    """As sentence encoders have it."""
    norms = np.linalg.norm(model.embed(["read a file", "zyx wvu", "?"], uncased), axis=1)

    assert [1, 1, 0] == pytest.approx(norms.tolist(), abs=1e-6)


def test_a_word_that_was_never_read_has_a_direction_of_its_own():
    """The same in every text, and near to nothing else."""
    words = ["".join(letters) for letters in product("bdfg", "ou", "klmn", "ai", "prtv")]
    texts = [" ".join(row) for row in np.random.default_rng(7).choice(words, (300, 5))]
    model = LatentSemanticModel.fit(texts, uncased, dimensions=128)
    known, new, same, other = model.embed([texts[0], "zyx", "zyx zyx", "wvu"], uncased)

    assert 1 == pytest.approx(new @ same, abs=1e-6)
    assert max(abs(new @ known), abs(new @ other)) < 0.3


def test_without_scaling_the_direction_stays_and_the_length_is_wrong(model):
    """The lost normalisation shows in the norm and nowhere else."""
    right, wrong = (model.embed(TEXTS, uncased, unit_length=unit_length) for unit_length in (True, False))
    norms = np.linalg.norm(wrong, axis=1)

    np.testing.assert_allclose(right, wrong / norms[:, None], atol=1e-6)
    assert norms.min() < 0.95


def test_another_tokenizer_makes_other_vectors_of_the_same_text(model):
    """What it does not fold and stem, the model does not know."""
    text = ["Servers listening to clients read a file"]

    assert model.embed(text, cased)[0] @ model.embed(text, uncased)[0] < 0.9


def test_training_twice_gives_the_same_model(model):
    """The demonstration is the same each time it runs."""
    again = LatentSemanticModel.fit(TEXTS, uncased, dimensions=4)

    np.testing.assert_array_equal(model.embed(TEXTS, uncased), again.embed(TEXTS, uncased))


def test_the_search_finds_the_nearest_by_cosine_best_first():
    """Against the full table of cosines, with lengths that must not matter."""
    rng = np.random.default_rng(7)
    vectors = (rng.standard_normal((50, 8)) * rng.uniform(0.1, 10, (50, 1))).astype(np.float32)
    queries = rng.standard_normal((5, 8)).astype(np.float32)
    cosine = (queries / np.linalg.norm(queries, axis=1)[:, None]) @ (
        vectors / np.linalg.norm(vectors, axis=1)[:, None]
    ).T

    for row, hits in zip(cosine, Index.of(vectors).search(queries, top_k=10), strict=True):
        np.testing.assert_array_equal(np.argsort(-row)[:10], hits.ids)
        np.testing.assert_allclose(np.sort(row)[::-1][:10], hits.scores, rtol=1e-5)


def test_a_query_without_direction_finds_nothing_and_such_a_passage_is_not_indexed():
    """A zero vector has no cosine with anything."""
    index = Index.of(np.array([[0, 0], [1, 0], [0, 2]], dtype=np.float32))
    nothing, something = index.search(np.array([[0, 0], [3, 0]], dtype=np.float32))

    assert ([], []) == (nothing.scores, nothing.ids)
    assert [1, 2] == something.ids
    assert [1, 0] == pytest.approx(something.scores)


def test_the_index_of_the_first_passages_knows_no_later_one():
    """The stale index: ids keep their meaning."""
    index = Index.of(np.eye(6, dtype=np.float32)).first(4)
    (hits,) = index.search(np.eye(6, dtype=np.float32)[5:], top_k=10)

    assert [0, 1, 2, 3] == sorted(hits.ids)
