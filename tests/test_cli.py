"""The command line, without a server: what is run is given."""

import platform
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from app import __version__, allocator, cli
from app.config import SETTINGS, Address, Settings

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


@pytest.fixture(autouse=True)
def allocations(monkeypatch):
    """The allocator of the test process is not changed for good."""
    calls = []
    monkeypatch.setattr(allocator, "settle", calls.append)
    return calls


class FakeServer:
    """Remembers the settings that it was to serve with."""

    def __init__(self, code=0):
        self.code = code
        self.served = []

    def __call__(self, settings):
        self.served.append(settings)
        return self.code


def run(*argv, environ=None, code=0):
    server = FakeServer(code)
    return cli.main(argv, environ=environ or {}, serve=server), server.served


@pytest.mark.parametrize("argv", [(), ("serve",)])
def test_without_a_command_it_serves(argv):
    """As exporters do."""
    assert (0, [Settings()]) == run(*argv)


@pytest.mark.parametrize("argv", [("--max-series", "3"), ("serve", "--max-series", "3")])
def test_flags_may_stand_without_the_command(argv):
    """Where the first word is a flag, it is one of serve."""
    assert (0, [replace(Settings(), max_series=3)]) == run(*argv)


def test_the_exit_code_is_that_of_the_server():
    """A server that failed says so."""
    assert 3 == run("serve", code=3)[0]


def test_the_environment_reaches_the_settings():
    """It is handed in, not fetched."""
    _, served = run(environ={"EMBEDDING_DRIFT_LISTEN": "[::1]:1"})

    assert Address("::1", 1) == served[0].listen


def test_warnings_are_logged_before_serving(capsys):
    """In the format that is asked for."""
    run("--log-format", "json", environ={"EMBEDDING_DRIFT_NOTHING": "1"})

    entry = yaml.safe_load(capsys.readouterr().err)
    assert "warning" == entry["level"]
    assert "EMBEDDING_DRIFT_NOTHING is no setting" in entry["event"]


@pytest.mark.parametrize(("command", "code"), [("serve", 2), ("check-config", 1)])
def test_wrong_settings_are_told_and_nothing_is_served(command, code, capsys):
    """All of them, each on a line of standard error."""
    assert (code, []) == run(command, "--workers", "2", environ={"EMBEDDING_DRIFT_MAX_SERIES": "x"})

    output = capsys.readouterr()
    assert "" == output.out
    assert ["EMBEDDING_DRIFT_MAX_SERIES", "--workers"] == re.findall(r"^\S+: error: (\S+): ", output.err, re.MULTILINE)


@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_an_unknown_flag_is_wrong_usage(command, capsys):
    """Exit code 2, with the flag that was meant."""
    assert (2, []) == run(command, "--lisen", "x")
    assert "nearest first: --listen" in capsys.readouterr().err


WITHOUT_SETTINGS = {"demo": (), "compare": ("golden.npz", "build.npz"), "check-state": ("state",)}


def test_commands_without_settings_are_these():
    """A new one needs its arguments here."""
    assert WITHOUT_SETTINGS.keys() == {each.name for each in cli.COMMANDS if not each.takes_settings}


@pytest.mark.parametrize("command", WITHOUT_SETTINGS)
def test_an_unknown_flag_of_a_command_without_settings_is_wrong_usage(command, capsys):
    """Nothing is run, and the usage is that of the command."""
    with pytest.raises(SystemExit) as caught:
        run(command, *WITHOUT_SETTINGS[command], "--lisen", "x")

    told = capsys.readouterr().err
    assert 2 == caught.value.code
    assert "unknown arguments: --lisen" in told
    assert f"usage: {cli.PROGRAM} {command} " in told


@pytest.mark.parametrize("argv", [("nonsense",), ("--max-series",), ("check-config", "--listen")])
def test_usage_that_cannot_be_read_exits_with_2(argv, capsys):
    """An unknown command, or a flag without its value; the error says which."""
    with pytest.raises(SystemExit) as caught:
        run(*argv)

    assert 2 == caught.value.code
    assert argv[-1] in capsys.readouterr().err


def test_check_config_prints_each_setting_with_its_source(tmp_path, capsys):
    """Flag, variable, file or default."""
    path = tmp_path / "drift.yml"
    path.write_text("\ndimension: 768\n")
    environ = {"EMBEDDING_DRIFT_MAX_SERIES": "3"}

    code, served = run("check-config", "--config.file", str(path), "--log.level", "debug", environ=environ)

    lines = capsys.readouterr().out.splitlines()
    assert (0, []) == (code, served)
    assert [setting.name for setting in SETTINGS] == [line.partition(":")[0] for line in lines]
    assert f"dimension: 768  # file {path}:2" in lines
    assert "max_series: 3  # variable EMBEDDING_DRIFT_MAX_SERIES" in lines
    assert "log_level: debug  # flag --log-level" in lines
    assert "max_top_k: 1000  # default" in lines


def test_what_check_config_prints_is_a_settings_file(tmp_path, capsys):
    """With it the exporter has the same settings; also names that YAML or a comma would change."""
    path = tmp_path / "drift.yml"
    given = tmp_path / "given.yml"
    given.write_text("reserved_models: ['a,b', 'no', '# é', '1']\nbaseline: given.yml\nlisten: '[::1]:1'\n")
    given.write_text(given.read_text().replace("given.yml", str(given)))

    assert 0 == run("check-config", "--config-file", str(given), "--poor-match-similarity", "-0.5")[0]
    path.write_text(capsys.readouterr().out)

    _, (expected,) = run("--config-file", str(given), "--poor-match-similarity=-0.5")
    _, (settings,) = run("--config-file", str(path))
    assert expected == settings
    assert ("a,b", "no", "# é", "1") == settings.reserved_models


def test_check_config_warns_on_standard_error(capsys):
    """Warnings do not spoil the YAML."""
    assert 0 == run("check-config", environ={"EMBEDDING_DRIFT_NOTHING": "1"})[0]

    output = capsys.readouterr()
    assert {setting.name for setting in SETTINGS} == set(yaml.safe_load(output.out))
    assert "warning: EMBEDDING_DRIFT_NOTHING" in output.err


def test_version_is_printed(capsys):
    """Program and version."""
    with pytest.raises(SystemExit) as caught:
        run("--version")

    assert 0 == caught.value.code
    assert f"embedding-drift-exporter {__version__}\n" == capsys.readouterr().out


def test_help_names_every_command_and_has_examples(capsys):
    """Without importing the demonstration."""
    with pytest.raises(SystemExit) as caught:
        run("--help")

    shown = capsys.readouterr().out
    assert 0 == caught.value.code
    assert "examples:" in shown
    assert all(re.search(rf"^    {command.name}\b", shown, re.MULTILINE) for command in cli.COMMANDS)


def test_help_of_serve_names_every_flag(capsys):
    """The table of settings is the help."""
    with pytest.raises(SystemExit):
        run("serve", "--help")

    shown = capsys.readouterr().out
    assert all(setting.flag in shown for setting in SETTINGS)
    assert "EMBEDDING_DRIFT_MAX_SERIES" in shown


def test_the_command_line_imports_nothing_heavy_and_pins_the_threads_first():
    """The number of threads counts only if it is set before numpy is imported; and --help is quick."""
    program = (
        "import os, sys; import app.cli; "
        "print(os.environ['OPENBLAS_NUM_THREADS'], *{'numpy', 'structlog', 'yaml', 'fastapi'} & set(sys.modules))"
    )

    for environ, expected in (({}, "1\n"), ({"OPENBLAS_NUM_THREADS": "2"}, "2\n")):
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)

        assert expected == done.stdout


def test_serving_sets_up_the_allocator_and_a_check_does_not(allocations):
    """Before the first request; check-config has none."""
    run("check-config")
    assert [] == allocations

    run("serve", environ={"HOME": "/"})
    assert [{"HOME": "/"}] == allocations


def test_glibc_takes_what_it_is_told():
    """In a process of its own, for there is no way back; another C library has none of this."""
    program = "from app.allocator import settle; print(settle({}))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert f"{platform.libc_ver()[0] == 'glibc'}\n" == done.stdout


@pytest.mark.parametrize("variable", allocator.OPERATORS_OWN)
def test_the_allocator_is_left_to_the_operator_who_settled_it(variable, monkeypatch):
    """Nothing is set then."""
    monkeypatch.undo()

    assert allocator.settle({variable: "1"}) is False


def test_check_config_looks_into_the_files_of_access(tmp_path, capsys):
    """What would end the start is said before it."""
    path = tmp_path / "token"
    path.write_text("short")

    code, _ = run("check-config", "--read-token-file", str(path))

    assert 1 == code
    assert "a token is at least 16" in capsys.readouterr().err

    path.write_text("token-0123456789")
    assert 0 == run("check-config", "--read-token-file", str(path))[0]
