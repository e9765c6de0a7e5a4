"""Settings: the table, the sources and what they refuse."""

import argparse
import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app import logs
from app.config import SETTINGS, Address, ConfigError, Loaded, Settings, add_flags, load
from app.config.reference import page
from app.config.settings import ALARM_STATISTICS
from app.config.sources import KUBERNETES_LINK
from app.drift.family import ALARMS
from app.model import Timing

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

BASELINES = (Path(__file__), Path(__file__).with_name("test_cli.py"))

# One right value for each setting, not the default: as text, and as what it becomes.
EXAMPLES = {
    "listen": ("[::1]:9", Address("::1", 9)),
    "metrics_listen": ("[::1]:8", Address("::1", 8)),
    "web_config_file": (str(BASELINES[0]), BASELINES[0]),
    "ingest_token_file": (str(BASELINES[0]), BASELINES[0]),
    "read_token_file": (str(BASELINES[0]), BASELINES[0]),
    "admin_token_file": (str(BASELINES[0]), BASELINES[0]),
    "log_level": ("debug", "debug"),
    "log_format": ("json", "json"),
    "shutdown_timeout_seconds": ("1.5", 1.5),
    "time_scale": ("60", 60.0),
    "max_series": ("9", 9),
    "max_state_mib": ("100", 100),
    "series_ttl_seconds": ("60", 60.0),
    "reserved_models": ("e5,bge", ("e5", "bge")),
    "slice_labels": ("locale,cohort", ("locale", "cohort")),
    "baseline": (",".join(map(str, BASELINES)), BASELINES),
    "input_hash_key_file": (str(BASELINES[0]), BASELINES[0]),
    "baseline_duration_seconds": ("3600", 3600.0),
    "baseline_min_events": ("10", 10),
    "min_window_events": ("20", 20),
    "baselines": ("pinned,30d", ("pinned", "30d")),
    "false_alarms_per_series_year": ("4", 4.0),
    "drift_limits": ("norm=0.02,top1=0.1", (("norm", 0.02), ("top1", 0.1))),
    "state_dir": (str(BASELINES[0].parent), BASELINES[0].parent),
    "state_mode": ("journal", "journal"),
    "persist_vectors": ("none", "none"),
    "freshness_limit_seconds": ("600", 600.0),
    "poor_match_similarity": ("-0.25", -0.25),
    "dimension": ("768", 768),
    "max_dimension": ("4096", 4096),
    "max_top_k": ("10", 10),
    "max_batch_events": ("100", 100),
    "max_body_mib": ("4", 4),
    "max_inflated_mib": ("8", 8),
    "max_label_bytes": ("64", 64),
    "max_connections": ("99", 99),
    "max_waiting_requests": ("9", 9),
    "max_inflight_mib": ("100", 100),
    "request_timeout_seconds": ("2.5", 2.5),
}

# Wrong for each setting, as text.
WRONG = {
    "state_dir": __file__,
    "baseline": "/nowhere/at/all",
    "reserved_models": "e\x07",
    "slice_labels": "e\x07",
    "listen": "localhost",
}


def test_the_statistics_with_limits_are_those_of_the_alarm_family():
    """The table of settings names them itself: the command line does without numpy."""
    assert ALARM_STATISTICS == tuple(statistic.name for statistic in ALARMS)


every = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
every_free = pytest.mark.parametrize(
    "setting", [setting for setting in SETTINGS if setting.name != "workers"], ids=lambda setting: setting.name
)


def loaded(*arguments: str, environ: dict[str, str] | None = None, file: Path | None = None) -> Loaded:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(parser)
    extra = () if file is None else ("--config-file", str(file))
    return load(*parser.parse_known_args([*extra, *arguments]), environ or {})


def problems(*arguments: str, environ: dict[str, str] | None = None, file: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(*arguments, environ=environ, file=file)
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "drift.yml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_without_anything_given_the_defaults_hold():
    """Zero configuration runs, and each value says that it is a default."""
    result = loaded()

    assert Settings() == result.settings
    assert {"default"} == set(result.origins.values())
    assert () == result.warnings


def test_settings_cannot_be_changed():
    """One frozen object is handed on."""
    with pytest.raises(FrozenInstanceError):
        Settings().max_series = 3  # type: ignore[misc]


# The contract of the table


def test_each_field_is_a_row_of_the_table_and_has_examples():
    """A new setting is tested on arrival: it needs an example here."""
    assert [each.name for each in fields(Settings)] == [setting.name for setting in SETTINGS]
    assert {setting.name for setting in SETTINGS} == {*EXAMPLES, "workers"}


@every_free
def test_a_setting_is_reachable_by_flag(setting):
    """The flag, and each alias of it, sets the field."""
    text, value = EXAMPLES[setting.name]

    for flag in (setting.flag, *setting.aliases):
        for arguments in ([flag, text], [f"{flag}={text}"]):
            result = loaded(*arguments)

            assert value == getattr(result.settings, setting.name) != setting.default
            assert f"flag {setting.flag}" == result.origins[setting.name]


@every_free
def test_a_setting_is_reachable_by_variable(setting):
    """The environment variable sets the field."""
    text, value = EXAMPLES[setting.name]

    result = loaded(environ={setting.variable: text})

    assert value == getattr(result.settings, setting.name)
    assert f"variable {setting.variable}" == result.origins[setting.name]


@every_free
def test_a_setting_is_reachable_by_file(setting, write):
    """The key of the file sets the field, as plain or quoted text and as the YAML type of its value."""
    text, value = EXAMPLES[setting.name]
    as_yaml = text.split(",") if type(value) is tuple else value
    as_yaml = text if isinstance(value, Address | Path) else as_yaml

    for given_value in (text, as_yaml):
        path = write(yaml.safe_dump({setting.name: given_value}))
        result = loaded(file=path)

        assert value == getattr(result.settings, setting.name)
        assert f"file {path}:1" == result.origins[setting.name]


@every
def test_the_default_written_out_is_the_default(setting):
    """What help and documentation show as the default may be given."""
    assert setting.default == setting.parser(setting.show(setting.default))


@every
def test_a_wrong_value_names_its_source_and_what_would_be_right(setting, write):
    """For flag, variable and file alike."""
    wrong = WRONG.get(setting.name, "nonsense")
    path = write(f"# first line\n{setting.name}: {wrong!r}".replace("'e\\x07'", '"e\\x07"'))
    cases = [
        (setting.flag, problems(setting.flag, wrong)),
        (setting.variable, problems(environ={setting.variable: wrong})),
        (f"{path}:2: {setting.name}", problems(file=path)),
    ]

    for source, found in cases:
        assert 1 == len(found)
        assert found[0].startswith(f"{source}: ")
        assert " is not " in found[0]
        assert found[0].isprintable()


@every
def test_a_setting_is_documented_on_the_page_and_in_help(setting):
    """Flag, aliases, variable, default and meaning."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    shown = " ".join(parser.format_help().split())

    assert f"| `{setting.name}` | `{setting.flag}`" in page()
    assert f"| `{setting.variable}` | `{setting.show(setting.default)}` |" in page()
    for text in (setting.flag, *setting.aliases, f"Default: {setting.show(setting.default)}."):
        assert text in shown
    assert setting.help.endswith(".")


@every
def test_no_setting_has_a_variable_that_kubernetes_would_set(setting):
    """A Service named embedding-drift... puts its variables into every pod of the namespace."""
    name = setting.variable.removeprefix("EMBEDDING_DRIFT_")

    assert not KUBERNETES_LINK.search(name)
    assert not re.search(r"(^|_)PORT$", name)


def test_the_page_is_in_step_with_the_table():
    """docs/configuration.md is made from the table."""
    regenerate = "run: python -m app.config.reference > docs/configuration.md"

    assert page() == PAGE.read_text(encoding="utf-8"), regenerate


def test_the_words_of_the_log_settings_are_those_of_the_logs():
    """The table does not import the logs, for they cost the start; so the two are held together here."""
    words = {setting.name: getattr(setting.parser, "words", None) for setting in SETTINGS}

    assert logs.LEVELS == words["log_level"]
    assert tuple(logs.RENDERERS) == words["log_format"]


# Precedence


def test_flag_stands_above_variable_above_file_above_default(write):
    """Taken away one by one, the next holds."""
    path = write("max_series: 3")
    environ = {"EMBEDDING_DRIFT_MAX_SERIES": "2"}

    assert 1 == loaded("--max-series", "1", environ=environ, file=path).settings.max_series
    assert 2 == loaded(environ=environ, file=path).settings.max_series
    assert 3 == loaded(file=path).settings.max_series
    assert 64 == loaded().settings.max_series


def test_a_list_of_a_higher_source_replaces_the_lower_and_a_repeated_flag_adds(write):
    """Lists are not joined over sources; within one, each item counts once."""
    path = write("reserved_models: [from-file]")

    result = loaded("--reserved-models", "a", "--reserved-models", "b,a", file=path)

    assert ("a", "b") == result.settings.reserved_models


def test_the_last_of_a_repeated_flag_holds():
    """As with most programs; an alias is the same flag."""
    assert "error" == loaded("--log-level", "debug", "--log.level", "ERROR").settings.log_level


def test_an_empty_variable_counts_as_not_set(write):
    """Templates turn a value that nobody gave into an empty variable."""
    path = write("max_series: 3")

    assert 3 == loaded(environ={"EMBEDDING_DRIFT_MAX_SERIES": ""}, file=path).settings.max_series
    assert Settings() == loaded(environ={"EMBEDDING_DRIFT_CONFIG_FILE": ""}).settings


@pytest.mark.parametrize("none", ["none", "None", "null", "~", ""])
def test_none_takes_back_what_the_file_gave(none, write):
    """A flag can restore the default of a setting that may be none."""
    path = write("dimension: 768\nreserved_models: [e5]")

    result = loaded(f"--dimension={none}", f"--reserved-models={none.lower()}", file=path)

    assert result.settings.dimension is None
    assert () == result.settings.reserved_models


@pytest.mark.parametrize("flag", ["--config-file", "--config.file"])
def test_the_file_is_named_by_flag_or_else_by_variable(flag, write, tmp_path):
    """The flag holds, the variable is not even read then."""
    path = write("max_series: 3")
    environ = {"EMBEDDING_DRIFT_CONFIG_FILE": str(path)}

    assert 3 == loaded(environ=environ).settings.max_series
    assert 3 == loaded(flag, str(path), environ={"EMBEDDING_DRIFT_CONFIG_FILE": "/nowhere"}).settings.max_series


# What is refused


def test_all_problems_of_all_sources_are_told_at_once(write):
    """One run of check-config is enough."""
    path = write("max_series: many\nmax_serie: 3")

    found = problems(
        "--workers",
        "4",
        "--lisen",
        "x",
        environ={"EMBEDDING_DRIFT_TIME_SCALE": "0", "EMBEDDING_DRIFT_X": ""},
        file=path,
    )

    assert [
        "--lisen",
        f"{path}:2: max_serie",
        f"{path}:1: max_series",
        "EMBEDDING_DRIFT_TIME_SCALE",
        "--workers",
    ] == [each.partition(": there" if "there is" in each else ": '")[0] for each in found]


def test_more_than_one_worker_is_refused_with_the_reason():
    """Each worker would answer a scrape with its own part."""
    assert 1 == loaded("--workers", "1").settings.workers
    assert "the state lives in one process" in problems("--workers", "2")[0]


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [("--lisen", "--listen"), ("--max_series=3", "--max-series"), ("--config", "--config-file"), ("--log", "--log-")],
)
def test_an_unknown_flag_is_an_error_that_lists_the_good_ones_nearest_first(unknown, meant):
    """The value after it is not a problem of its own; abbreviations are not guessed."""
    (problem,) = problems(unknown, *([] if "=" in unknown else ["3"]))

    assert f"nearest first: {meant}" in problem
    assert all(setting.flag in problem for setting in SETTINGS)


def test_an_argument_that_belongs_to_no_flag_is_an_error():
    """Such as a command that stands after the flags."""
    assert ["check-config: an argument too many; a command stands first, and each flag has one value"] == problems(
        "--max-series", "3", "check-config"
    )


def test_an_unknown_key_is_an_error_that_lists_the_good_ones_nearest_first(write):
    """With the line it stands on; the spelling of the flag finds the key."""
    path = write("# comment\nmax-series: 3\n")

    (problem,) = problems(file=path)

    assert problem.startswith(f"{path}:2: max-series: ")
    assert "nearest first: max_series, " in problem
    assert all(setting.name in problem for setting in SETTINGS)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("max_series: 3\nmax_series: 4", 2, "given already on line 1"),
        ("{max_series: 3, max_series: 4}", 1, "given already on line 1"),
        ("max_series: [3]", 1, "a list is not a whole number of at least 1"),
        ("max_series: {a: 3}", 1, "a nested value is not a whole number"),
        ("max_series: {}", 1, "a nested value is not a whole number"),
        ("reserved_models: [[a]]", 1, "a nested value is not model names"),
        ("max_series:", 1, "'' is not a whole number of at least 1"),
        ("? [a]\n: 3", 1, "there is no such setting"),
    ],
)
def test_a_wrong_shape_in_the_file_is_told_with_its_line(text, line, message, write):
    """Duplicate keys, lists and mappings where one value is wanted."""
    path = write(text)

    (problem,) = problems(file=path)

    assert problem.startswith(f"{path}:{line}: ")
    assert message in problem


@pytest.mark.parametrize("text", ["a: [", "\t- a", "a: *b", b"\xff\xfe\xfd", "a: 1\n---\na: 2", "a: \x07"])
def test_a_file_that_is_not_yaml_is_told_in_one_line(text, write):
    """With what the parser says of the place."""
    (problem,) = problems(file=write(text))

    assert problem.startswith("--config-file: ")
    assert "is not valid YAML: " in problem
    assert problem.isprintable()


@pytest.mark.parametrize("text", ["- max_series", "just text"])
def test_a_file_that_is_no_mapping_is_refused(text, write):
    """With an example of what it should hold."""
    assert problems(file=write(text))[0].endswith("is not a mapping of settings, such as `max_series: 64`")


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n"])
def test_an_empty_file_is_right(text, write):
    """It gives no setting."""
    assert Settings() == loaded(file=write(text)).settings


@pytest.mark.parametrize("path", ["/nowhere/drift.yml", "/"])
def test_a_file_that_cannot_be_read_names_who_named_it(path):
    """Flag or variable."""
    assert problems("--config-file", path)[0].startswith("--config-file: cannot read ")
    assert problems(environ={"EMBEDDING_DRIFT_CONFIG_FILE": path})[0].startswith("EMBEDDING_DRIFT_CONFIG_FILE: cannot")


def test_settings_that_contradict_each_other_are_refused():
    """Each names the setting to change."""
    assert ["--dimension"] == [each.partition(":")[0] for each in problems("--dimension", "9000")]
    assert "raise max_series" in problems("--reserved-models", "a,b,c", "--max-series", "2")[0]
    assert "raise max_inflight_mib" in problems("--max-body-mib", "200")[0]


def test_a_contradiction_with_a_value_that_is_itself_wrong_is_not_told():
    """Nobody asked for the default that stands in for it."""
    assert 1 == len(problems("--dimension", "9000", "--max-dimension", "10k"))


# Values


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:10877", "127.0.0.1", 10877, True),
        ("127.1.2.3:1", "127.1.2.3", 1, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:65535", "::1", 65535, True),
        ("0.0.0.0:1", "0.0.0.0", 1, False),
        ("[::]:1", "::", 1, False),
        ("drift.svc:80", "drift.svc", 80, False),
    ],
)
def test_an_address_is_read_and_written_alike(text, host, port, loopback):
    """IPv6 in brackets."""
    address = loaded("--listen", text).settings.listen

    assert Address(host, port) == address
    assert text == str(address)
    assert loopback == address.loopback


@pytest.mark.parametrize(
    "text",
    [
        *("localhost", "10877", "", ":", "::1:10877", "[::1]", "[127.0.0.1]:1", "[x]:1", "1.2.3:1", "999.0.0.1:1"),
        *("http://localhost:1", "localhost:65536", "localhost:-1", "localhost:1_0", "localhost:²", "a/b:1", "a b:1"),
    ],
)
def test_what_is_no_address_is_refused(text):
    """Without an attempt to guess."""
    assert 1 == len(problems(f"--listen={text}"))


def test_a_port_alone_is_refused_with_the_choices():
    """What other exporters take for every address is asked for by name here."""
    assert "0.0.0.0:10877 listens on every IPv4 address" in problems("--listen", ":10877")[0]


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "-1", "0", "x", "", " ", "9" * 5000, "1,5"])
def test_a_duration_is_a_finite_number_above_zero(text):
    """Refused, and never a traceback."""
    assert 1 == len(problems(f"--series-ttl-seconds={text}"))


@pytest.mark.parametrize("text", ["-1.01", "1.01", "nan", "65 %"])
def test_a_similarity_lies_between_minus_one_and_one(text):
    """None is said to be right as well."""
    assert problems(f"--poor-match-similarity={text}")[0].endswith("is not a number from -1 to 1, or none")


@given(st.sampled_from([setting for setting in SETTINGS if setting.name != "baseline"]), st.text())
def test_any_text_is_a_value_or_a_problem(setting, text):
    """Never another exception, and the problem is one line."""
    told = ""
    try:
        loaded(f"{setting.flag}={text}")
    except ConfigError as error:
        told = str(error)

    assert told.isprintable()


def test_too_little_in_flight_is_a_problem_also_where_the_body_was_left_alone():
    """It ended in a KeyError."""
    assert "max_inflight_mib (1)" in problems("--max-inflight-mib=1")[0]


def test_a_list_in_the_file_keeps_commas(write):
    """The way to give a name or path with a comma in it."""
    assert ("a,b", "c") == loaded(file=write("reserved_models: ['a,b', c]")).settings.reserved_models


def test_text_of_the_file_means_what_it_says(write):
    """YAML 1.1 would make a number, a boolean and a time of these."""
    names = ["1e3", "no", "12:30:45", "0x1f", "1_000", "2024-01-01"]

    assert tuple(names) == loaded(file=write(f"reserved_models: [{', '.join(names)}]")).settings.reserved_models


def test_timing_carries_the_durations_scaled():
    """time_scale divides the durations of the settings and all others alike."""
    timing = Settings(series_ttl_seconds=600.0, baseline_duration_seconds=1200.0, time_scale=60.0).timing()

    assert 10.0 == timing.series_ttl_seconds
    assert 20.0 == timing.baseline_duration_seconds
    assert Timing().windows["1h"] / 60 == timing.windows["1h"]
    assert Timing() == Settings().timing()


# Warnings


def test_an_unknown_variable_is_a_warning_that_names_the_nearest():
    """Not an error: others may set such names too."""
    (warning,) = loaded(environ={"EMBEDDING_DRIFT_MAX_SERIE": "3", "PATH": "/bin"}).warnings

    assert warning.startswith("EMBEDDING_DRIFT_MAX_SERIE is no setting")
    assert "nearest first: EMBEDDING_DRIFT_MAX_SERIES, " in warning


@pytest.mark.parametrize("service", ["", "EXPORTER_"], ids=["embedding-drift", "embedding-drift-exporter"])
def test_the_variables_of_kubernetes_are_one_warning(service):
    """All that Kubernetes sets for a Service of this name."""
    prefix = f"EMBEDDING_DRIFT_{service}"
    environ = {
        f"{prefix}SERVICE_HOST": "10.0.0.1",
        f"{prefix}SERVICE_PORT": "10877",
        f"{prefix}SERVICE_PORT_HTTP_METRICS": "10877",
        f"{prefix}PORT": "tcp://10.0.0.1:10877",
        f"{prefix}PORT_10877_TCP": "tcp://10.0.0.1:10877",
        f"{prefix}PORT_10877_TCP_PROTO": "tcp",
        f"{prefix}PORT_10877_TCP_PORT": "10877",
        f"{prefix}PORT_10877_TCP_ADDR": "10.0.0.1",
    }

    result = loaded(environ=environ)

    (warning,) = result.warnings
    assert Settings() == result.settings
    assert "Kubernetes" in warning
    assert all(variable in warning for variable in environ)


def test_a_port_that_is_not_of_kubernetes_is_an_unknown_variable():
    """Somebody meant to set the port."""
    (warning,) = loaded(environ={"EMBEDDING_DRIFT_LISTEN_PORT": "8080"}).warnings

    assert "nearest first: EMBEDDING_DRIFT_LISTEN, " in warning


def test_listening_beyond_this_machine_is_a_warning():
    """Where no file closes it."""
    (warning,) = loaded("--listen", "0.0.0.0:10877").warnings

    assert "without authentication" in warning
