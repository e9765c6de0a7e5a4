"""The shipped configuration at other addresses and another pace: nothing but those two things changes."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from app.drift.gates import GATES
from prometheus import template
from prometheus.alerts import ALERTS
from prometheus.recording import RECORDING
from prometheus.template import ADDRESSES, divided, faster, rewritten
from prometheus.thresholds import LIMITS, OBJECTIVES, REAL_SECONDS, number
from tests.conftest import _program

SHIPPED = Path(template.__file__).parent
FILES = [SHIPPED / "prometheus.yml", SHIPPED / "alertmanager.yml", *sorted((SHIPPED / "rules").glob("*.yml"))]
ELSEWHERE = {name: f"{name}.example:{port}" for port, name in enumerate(ADDRESSES, start=1)}
RULES = [rule for group in RECORDING for rule in group.rules] + list(ALERTS)

every_file = pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)


def expression(rule):
    return getattr(rule, "full_expr", rule.expr)


@every_file
def test_at_its_own_pace_and_place_nothing_changes(file):
    """A time scale of 1 and no other address give what ships."""
    shipped = yaml.safe_load(file.read_text())

    assert shipped == rewritten(shipped, 1, {})


@every_file
def test_only_numbers_and_units_of_durations_change(file):
    """With every number taken out, the divided file is the shipped one: not another rule, route or label."""
    shipped = yaml.safe_load(file.read_text())

    def bare(content):
        return re.sub(r"\d+(\.\d+)?(ms|[smhdw])?\b", "N", yaml.safe_dump(content, width=100_000))

    assert bare(shipped) == bare(rewritten(shipped, 288, {}))
    assert shipped != rewritten(shipped, 288, {})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name}-{'-'.join(rule.labels.values())}")
def test_every_number_of_seconds_is_marked(rule):
    """What is neither marked nor a known limit of another unit would not be divided."""
    code = re.sub(r'"[^"]*"', '""', expression(rule))
    code = re.sub(r"\d+(\.\d+)? # (seconds|per second)$", "", code, flags=re.MULTILINE)
    code = re.sub(r"\d+[smhdw]\b", "", code)
    of_time = {name for name in LIMITS if name.endswith("_seconds")} - REAL_SECONDS
    known = {number(value) for name, value in LIMITS.items() if name not in of_time}
    known |= {number(value) for gate in GATES for value in (gate.ticket, gate.page)}
    known |= {number(each.budget) for each in OBJECTIVES.values()}
    known |= {number(burn.factor * each.budget) for each in OBJECTIVES.values() for burn in each.burns}
    # A state, a quantile, the lowest cosine, a deviation as a standard deviation.
    known |= {"0", "1", "0.5", "0.95", "1.4826"}

    assert set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?\b", code)) <= known


def test_labels_that_look_like_durations_stay():
    """The window of a score is a name that the exporter gave it."""
    given = 'max_over_time(embedding_drift_score{window="1h", signal="a\\"5m"}[1h:30s] offset 1d) > 900 # seconds'

    assert (
        'max_over_time(embedding_drift_score{window="1h", signal="a\\"5m"}[60000ms:500ms] offset 1440000ms)'
        " > 15 # seconds"
    ) == faster(given, 60)


def test_rates_grow_as_seconds_shrink():
    """So many events in a shorter second."""
    assert "rate(a[5000ms]) >= 30 # per second\n> 0.5" == faster("rate(a[5m]) >= 0.5 # per second\n> 0.5", 60)


def test_intervals_have_a_floor_and_waits_have_none():
    """Evaluations cost something; waiting does not."""
    group = {"groups": [{"name": "a", "interval": "30s", "rules": [{"alert": "b", "expr": "up == 0", "for": "2m"}]}]}

    made = rewritten(group, 400, {})["groups"][0]

    assert ("200ms", "300ms") == (made["interval"], made["rules"][0]["for"])


@pytest.mark.parametrize("duration", ["5", "5y", "1h30m", "m", ""])
def test_what_is_no_duration_is_an_error(duration):
    """It would be left as it is, and nobody would notice."""
    with pytest.raises(ValueError, match="a duration is a whole number and one of"):
        divided(duration, 2)


def test_every_address_is_replaced_and_each_by_its_own(tmp_path):
    """In targets, receivers and links alike; no shipped one is left."""
    template.write(tmp_path, 1, ELSEWHERE)
    written = "".join(path.read_text() for path in tmp_path.rglob("*.yml"))

    assert set(ELSEWHERE.values()) <= set(re.findall(r"\w+\.example:\d", written))
    assert "127.0.0.1" not in written
    assert "http://exporter.example:1/runbooks/EmbeddingDriftSevere" in written
    assert "http://grafana.example:4/d/embedding-drift-on-call" in written


def test_addresses_that_are_swapped_are_not_replaced_twice():
    """Each string is looked at once."""
    swapped = {"exporter": ADDRESSES["grafana"], "grafana": ADDRESSES["exporter"]}

    assert f"{ADDRESSES['grafana']} {ADDRESSES['exporter']}" == rewritten(
        f"{ADDRESSES['exporter']} {ADDRESSES['grafana']}", 1, swapped
    )


@pytest.mark.parametrize("time_scale", ["1", "288", "500"])
def test_what_is_written_is_valid(promtool, tmp_path, time_scale):
    """promtool and amtool read it, at every pace."""
    amtool = _program("amtool", "prometheus-alertmanager")

    assert 0 == template.main([str(tmp_path / "made"), "--time-scale", time_scale, "--exporter", "127.0.0.1:1"])

    for command in (
        [promtool, "check", "config", tmp_path / "made" / "prometheus.yml"],
        [amtool, "check-config", tmp_path / "made" / "alertmanager.yml"],
    ):
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert 0 == checked.returncode, checked.stdout + checked.stderr


@pytest.mark.parametrize("time_scale", ["0.5", "501", "nan"])
def test_a_pace_that_rules_cannot_keep_is_refused(tmp_path, capsys, time_scale):
    """Nothing is written."""
    with pytest.raises(SystemExit) as ended:
        template.main([str(tmp_path / "made"), "--time-scale", time_scale])

    assert (2, False) == (ended.value.code, (tmp_path / "made").exists())
    assert "the time scale is a number from 1 to 500" in capsys.readouterr().err


def test_the_shortest_range_holds_three_scrapes_at_the_fastest_pace():
    """A rate wants two, and one may be missed."""
    text = "".join(file.read_text() for file in FILES)
    ranges = {float(n) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] for n, unit in re.findall(r"\[(\d+)(\w)", text)}

    shortest_seconds = min(ranges) / template.LARGEST_TIME_SCALE

    assert round(shortest_seconds / template.SHORTEST_INTERVAL_SECONDS, 6) >= 3
