"""The processes of the demonstration end with it: real children, told apart by what they print."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress

import pytest

from app.demo.performance import DemoError
from app.demo.processes import check_alive, child_process


@pytest.fixture
def child_module(tmp_path, monkeypatch):
    """Make a module that children can be started from."""

    def make(text):
        (tmp_path / "a_child.py").write_text(textwrap.dedent(text))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return "a_child"

    return make


def test_a_child_ends_with_its_block(child_module):
    """Also where the block is left by Ctrl-C, and the child pays no heed to the end of its input."""
    module = child_module("import time\nprint('up', flush=True)\ntime.sleep(600)")
    with suppress(KeyboardInterrupt), child_process(module, pipes=True) as child:
        assert "up\n" == child.stdout.readline()
        raise KeyboardInterrupt

    assert -signal.SIGTERM == child.returncode


def test_a_child_that_does_not_listen_is_killed(child_module, monkeypatch):
    """Nothing outlives the demonstration."""
    monkeypatch.setattr("app.demo.processes.STOP_SECONDS", 0.1)
    module = child_module(
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up", flush=True)
        time.sleep(600)
        """
    )
    with child_process(module, pipes=True) as child:
        assert "up\n" == child.stdout.readline()

    assert -signal.SIGKILL == child.returncode


def test_a_child_is_neither_set_up_by_the_environment_nor_found_in_the_directory(child_module, tmp_path, monkeypatch):
    """The shipped configuration, and our own `app` where the user's directory holds another."""
    module = child_module(
        "import os, sys, app\nprint(*sys.argv[1:], os.environ.get('EMBEDDING_DRIFT_LISTEN'), app.__doc__)"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "app.py").write_text('"""Another."""')
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("EMBEDDING_DRIFT_LISTEN", "0.0.0.0:1")
    with child_process(module, "--fast", pipes=True) as child:
        said = child.stdout.readline()

    assert said.startswith("--fast None ")
    assert "Another" not in said


def test_a_child_that_has_ended_is_told_with_its_code(child_module):
    """By the name of what it is."""
    with child_process(child_module("raise SystemExit(3)")) as child:
        child.wait()
        with pytest.raises(DemoError, match="the traffic process ended with code 3; its message stands above"):
            check_alive(traffic=child)


def test_a_signal_between_the_start_of_a_child_and_its_block_ends_the_child(child_module, monkeypatch):
    """The narrowest moment for Ctrl-C: the child runs and nobody knows of it yet."""
    started = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    # A suite that was started in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), child_process(child_module("import time\ntime.sleep(600)")):
            pytest.fail("the block must not begin")
    finally:
        signal.signal(signal.SIGINT, before)

    (child,) = started
    assert -signal.SIGTERM == child.returncode


def test_a_second_ctrl_c_does_not_break_off_the_ending(child_module):
    """The first is a KeyboardInterrupt, after which signals are passed over until the children have ended."""
    module = child_module(
        """
        import os, signal
        from app.demo.processes import end_on_signals
        end_on_signals()
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            print("ended in order")
        """
    )
    done = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, timeout=30, check=False)

    assert (0, "ended in order\n", "") == (done.returncode, done.stdout, done.stderr)
