"""Tests side by side: one that is marked `alone` has no neighbours, and `unit` is what starts no process."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = """
import time
from pathlib import Path
import pytest

def said(what):
    with Path(__file__).with_name("said").open("a") as file:
        file.write(f"{what}\\n")

@pytest.mark.parametrize("n", range(6))
def test_with_others(n):
    said("begin")
    time.sleep(0.05)
    said("end")

@pytest.mark.alone
@pytest.mark.parametrize("n", range(2))
def test_alone(n):
    said("begin alone")
    time.sleep(0.1)
    said("end alone")
"""


def pytest_in(folder, *options):
    """What pytest says of a folder with this project's conftest.py; its tests pass."""
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    alone\n    unit\n    slow\n    faults\n    nightly\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_nothing_runs_beside_a_test_that_is_alone(tmp_path):
    """Two processes with a file each: between its beginning and its end nothing begins, and nothing was under way."""
    for name in ("test_one.py", "test_other.py"):
        (tmp_path / name).write_text(FILE)

    assert "16 passed" in pytest_in(tmp_path, "-n", "2", "--dist", "loadfile")
    said = (tmp_path / "said").read_text().splitlines()
    under_way = 0
    for what, after in zip(said, [*said[1:], ""], strict=True):
        under_way += 1 if what.startswith("begin") else -1
        assert what != "begin alone" or (under_way, after) == (1, "end alone"), said


def test_what_starts_a_process_is_no_unit_test(request):
    """As this file does."""
    assert not request.node.get_closest_marker("unit")


def test_what_starts_none_is_a_unit_test(tmp_path):
    """As a file of nothing but a calculation."""
    (tmp_path / "test_sums.py").write_text("def test_sum():\n    assert 2 == 1 + 1\n")
    (tmp_path / "test_processes.py").write_text(f"import subprocess\n{(tmp_path / 'test_sums.py').read_text()}")

    assert "1 passed, 1 deselected" in pytest_in(tmp_path, "-m", "unit")
