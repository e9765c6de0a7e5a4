"""What the tests share: programs of the system."""

import os
import shutil

import pytest


def _program(name, package):
    """The path of a program of the system; without it the test is skipped, and in CI it fails."""
    path = shutil.which(name)
    if path is None:
        reason = f"needs {name}, from Debian's package {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def promtool():
    """Path of promtool."""
    return _program("promtool", "prometheus")


@pytest.fixture(scope="session")
def prometheus():
    """Path of the Prometheus server."""
    return _program("prometheus", "prometheus")
