"""The bench's profile: which layer a stack belongs to, and what is sampled of a real process."""

from collections import Counter
from pathlib import Path

import pytest

from bench import profile
from bench.profile import Profile
from bench.sampled import DECODING, IDS, LAYERS, OTHER, RECEIVING, STORING, layer_of
from bench.server import Server

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("innermost", "layer"),
    [
        ("uvicorn/protocols/http/httptools_impl.py", RECEIVING),
        ("app/decode/columns.py", DECODING),
        ("app/decode/id_digests.py", IDS),
        ("app/store/duplicates.py", IDS),
        ("app/store/memory.py", STORING),
        ("app/evaluate/evaluator.py", OTHER),
    ],
)
def test_the_innermost_frame_of_a_layer_has_the_sample(innermost, layer):
    """What it calls in libraries is its work, and what called it is not."""
    assert layer == layer_of(["/lib/numpy/_core/fromnumeric.py", f"/src/{innermost}", "/lib/uvicorn/server.py"])


def test_a_stack_of_no_layer_is_other():
    """Such as that of an import."""
    assert OTHER == layer_of(["<frozen importlib._bootstrap>"])


@pytest.mark.parametrize("path", [each for each in LAYERS if each.startswith("app/")])
def test_the_layers_are_files_that_there_are(path):
    """Or their work would be counted for whoever calls them."""
    assert (ROOT / path).exists()


def test_a_real_process_counts_its_cpu_and_begins_anew_when_asked(tmp_path):
    """Waiting counts for nothing: what was asked for a moment ago has next to nothing more."""
    file = tmp_path / "counts.json"
    with Server("exporter", "bench.sampled", str(file), "serve", "--listen", "127.0.0.1:{port}") as server:
        start = profile.counted(server, file)
        waited = profile.counted(server, file)

    assert 20 < start.total()
    assert waited.total() < start.total() / 4


def test_shares_are_of_all_samples_of_a_case():
    """Over the rounds."""
    found = {("base64", 64, 768): Profile([2e-5, 3e-5], Counter({RECEIVING: 25, STORING: 75}))}

    ((_, table),) = profile.report(found, 2).tables

    assert ("base64", "64", "768", "25 %", "0 %", "0 %", "75 %", "0 %", "100") == table.rows[0][:-1]
