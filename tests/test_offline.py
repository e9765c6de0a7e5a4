"""embedding-drift-exporter compare, in a process of its own: files in, exit code and output out."""

import json
import subprocess
import sys
from contextlib import suppress
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import cli
from app.compare import compare
from app.drift.family import ALARMS, OF_TWO_SIDES
from app.vector_file import VectorFileError, read

STATISTICS = [alarm.name for alarm in ALARMS if alarm.name not in OF_TWO_SIDES]


def vectors(rng, n, topics=range(12), d=32):
    """Unit vectors around topics of a fixed space."""
    centres = np.random.default_rng(11).normal(size=(20, d)) + 1
    rows = centres[rng.choice(list(topics), n)] + rng.normal(size=(n, d)) * np.linspace(1.2, 0.1, d)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A reference, more of the same, a tenth about something new, the same inputs through another model, too few."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(7)
    rows = vectors(rng, 800)
    keys = np.array([f"h{i}" for i in range(800)])
    lengths, best = rng.normal(5, 0.3, 800), np.sort(rng.beta(20, 8, (800, 3)))[:, ::-1]
    turned = rows[:200] @ np.linalg.qr(rng.normal(size=(32, 32)))[0]
    np.save(folder / "reference.npy", rows)
    np.save(folder / "same.npy", vectors(rng, 300))
    np.save(folder / "topic.npy", np.concatenate((vectors(rng, 270), vectors(rng, 30, [15]))))
    np.save(folder / "few.npy", vectors(rng, 49))
    np.savez(folder / "full.npz", embedding=rows, norm=lengths, scores=best, input_hash=keys)
    np.savez(
        folder / "full-same.npz", embedding=rows[:200], norm=lengths[:200], scores=best[:200], input_hash=keys[:200]
    )
    np.savez(folder / "model.npz", embedding=turned.astype(np.float32), input_hash=keys[:200])
    return folder


def shell(files, *words):
    """What a shell would see."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "compare", *words],
        cwd=files,
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def run(files, monkeypatch, capsys):
    """The same in this process: exit code, output, errors."""
    monkeypatch.chdir(files)

    def call(*words):
        code = cli.main(["compare", *words], environ={})
        return code, *capsys.readouterr()

    return call


@pytest.mark.parametrize(("current", "code"), [("same.npy", 0), ("topic.npy", 1), ("few.npy", 2)])
def test_the_exit_code_says_no_drift_drift_or_unusable(files, current, code):
    """In a real process, as a CI pipeline runs it."""
    done = shell(files, "reference.npy", current)

    assert done.returncode == code
    assert "Traceback" not in done.stderr
    verdict = {0: "no drift: the largest", 1: "drift: the largest", 2: ""}[code]
    assert done.stdout.startswith(verdict)
    assert bool(done.stdout) == bool(verdict)
    assert ("at least 50 vectors are needed, got 49" in done.stderr) == (code == 2)


def test_fail_on_never_reports_only(run):
    """The output is the same, the exit code is 0; bad input is still 2."""
    assert run("reference.npy", "topic.npy")[0] == 1
    assert run("reference.npy", "topic.npy", "--fail-on", "drift")[0] == 1
    code, out, _ = run("reference.npy", "topic.npy", "--fail-on", "never")
    assert (code, out.split(":")[0]) == (0, "drift")
    assert run("reference.npy", "few.npy", "--fail-on", "never")[0] == 2


def test_drift_is_told_in_words(run):
    """The worst statistic first, how much changed, and what probably happened."""
    _, out, _ = run("full.npz", "model.npz")
    table = out.split("\n\n")[1].splitlines()

    assert table[0].split() == ["statistic", "signal", "value", "limit", "score"]
    scores = [float(line.split()[4]) for line in table[1:]]
    assert scores == sorted(scores, reverse=True)
    assert [line.endswith("drift") for line in table[1:]] == [score > 1 for score in scores]
    assert "of the vectors are unlike anything in the reference" in out
    assert "what probably happened:\n  changed model, tokenizer or preprocessing: 100.0 % of 200 known inputs" in out


def test_what_only_one_file_has_is_left_out_and_said(run):
    """Never silently: a check that somebody counts on must not be missing unseen."""
    _, _, err = run("full.npz", "model.npz")

    assert "note: norm is in one file only and is not compared" in err
    assert "note: scores is in one file only" in err
    assert "input_hash" not in err


def test_json_is_the_comparison(run, files):
    """The figures of app.compare.compare, as strict JSON with every effect, null where one is not known."""
    code, out, _ = run("reference.npy", "topic.npy", "--json")
    told = json.loads(out, parse_constant=pytest.fail)
    computed = compare(np.load(files / "reference.npy"), np.load(files / "topic.npy"))

    assert code == 1
    assert told.keys() == {"drift", "score", "scores", "effects", "diagnosis"}
    assert (told["drift"], told["score"]) == (True, computed.score)
    assert {each["statistic"]: each["value"] for each in told["scores"]} == {
        each.statistic: each.value for each in computed.scores
    }
    assert all(each.keys() == {"statistic", "signal", "value", "limit", "score"} for each in told["scores"])
    assert told["effects"]["same_input_cosine"] is None
    assert told["effects"]["changed_share_lower_bound"] == computed.effects.changed_share_lower_bound
    assert told["diagnosis"] == [suspect._asdict() for suspect in computed.diagnosis]


def test_two_runs_print_the_same(files):
    """In processes of their own, to the last digit."""
    assert (
        shell(files, "full.npz", "model.npz", "--json").stdout == shell(files, "full.npz", "model.npz", "--json").stdout
    )


@pytest.mark.parametrize(
    ("pair", "skipped"),
    [
        (("reference.npy", "same.npy"), {"top1", "same_input"}),
        (("reference.npy", "topic.npy"), {"top1", "same_input"}),
        (("full.npz", "full-same.npz"), set()),
    ],
)
def test_junit_has_a_case_for_each_statistic(run, tmp_path, pair, skipped):
    """Counts agree with what is in it, failures with the scores."""
    code, out, _ = run(*pair, "--json", "--junit", str(tmp_path / "drift.xml"))
    root = ET.parse(tmp_path / "drift.xml").getroot()
    (suite,) = root
    above = {each["statistic"] for each in json.loads(out)["scores"] if each["score"] > 1}

    assert [case.get("name") for case in suite] == STATISTICS
    assert {case.get("name") for case in suite if case.find("failure") is not None} == above
    assert {case.get("name") for case in suite if case.find("skipped") is not None} == skipped
    for each in (root, suite):
        assert {name: each.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
            "tests": str(len(STATISTICS)),
            "failures": str(len(above)),
            "errors": "0",
            "skipped": str(len(skipped)),
        }
    assert code == bool(above)


def test_junit_tells_of_a_file_that_cannot_be_read(run, tmp_path):
    """Or the result of an earlier run would go on being shown. Control characters of a name do not break the XML."""
    target = tmp_path / "drift.xml"
    code, _, err = run("reference.npy", "no\x01such.npy", "--junit", str(target))
    (error,) = ET.parse(target).getroot().iter("error")

    assert code == 2
    assert error.get("message") == "no?such.npy: cannot be read: No such file or directory"
    assert "\x01" not in err


def test_a_report_that_cannot_be_written_is_an_error(run, tmp_path):
    """A pipeline that waits for the file must not go on."""
    code, out, err = run("reference.npy", "same.npy", "--junit", str(tmp_path / "none" / "drift.xml"))

    assert code == 2
    assert out
    assert "cannot be written: No such file or directory" in err


def test_what_nobody_foresaw_is_not_called_drift(run, monkeypatch):
    """Python ends with 1 after an error of its own; here 1 means drift."""
    monkeypatch.setattr("app.offline.command.compare", lambda *_, **__: 1 / 0)
    code, out, err = run("reference.npy", "same.npy")

    assert (code, out) == (2, "")
    assert "ZeroDivisionError" in err


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"vectors": np.ones((60, 4))},
            r"no array named embedding; save it as np.savez\(file, embedding",
        ),
        ({}, "no array named embedding"),
        ({"embedding": np.ones((60, 4)), "model": np.array(["e5"])}, "model must be one text"),
        ({"embedding": np.ones(60)}, r"embedding has the shape \(60,\); needed is \(n, d\)"),
        ({"embedding": np.ones((0, 4))}, r"needed is \(n, d\)"),
        ({"embedding": np.full((60, 4), "x")}, "embedding must hold real numbers, it holds str"),
        ({"embedding": np.ones((60, 4), complex)}, "it holds complex128"),
        ({"embedding": np.ones((60, 4)), "norm": np.ones(59)}, r"norm has the shape \(59,\); needed is \(60,\)"),
        ({"embedding": np.ones((60, 4)), "norm": np.full(60, "x")}, "norm must hold real numbers"),
        ({"embedding": np.ones((60, 4)), "scores": np.ones((60, 0))}, r"scores .* needed is \(60, k\)"),
        ({"embedding": np.ones((60, 4)), "input_hash": np.ones(60)}, "input_hash must hold strings or integers"),
        ({"embedding": np.ones((60, 4)), "input_hash": np.ones(3, int)}, r"input_hash .* needed is \(60,\)"),
        ({"embedding": np.array([{}])}, "or holds Python objects; needed is"),
    ],
)
def test_a_file_of_the_wrong_shape_is_told_what_would_be_right(tmp_path, arrays, message):
    """One line that names file, array and need."""
    np.savez(tmp_path / "bad.npz", **arrays)

    with pytest.raises(VectorFileError, match=message) as caught:
        read(tmp_path / "bad.npz")
    assert str(tmp_path / "bad.npz") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hashes_may_be_strings_bytes_or_integers(tmp_path):
    """The same hash is the same key; an empty one is not known."""
    for name, keys in {"s": ["7", ""], "b": [b"7", b""], "i": [7, 8]}.items():
        np.savez(tmp_path / name, embedding=np.ones((2, 4)), input_hash=np.array(keys))
    found = {name: read(tmp_path / f"{name}.npz").input_hash for name in "sbi"}

    assert found == {"s": ["7", None], "b": ["7", None], "i": ["7", "8"]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), put=st.binary(min_size=1, max_size=8), name=st.sampled_from("yz"))
def test_a_damaged_file_is_one_line(tmp_path, where, put, name):
    """Whatever was overwritten: arrays of the right shape, or an error that says so; never another exception."""
    whole = tmp_path / f"whole.np{name}"
    rows = np.ones((60, 4), np.float32)
    if name == "y":
        np.save(whole, rows)
    else:
        np.savez_compressed(whole, embedding=rows, norm=np.ones(60))
    content = bytearray(whole.read_bytes())
    start = int(where * len(content))
    content[start : start + len(put)] = put
    damaged = tmp_path / "damaged"
    damaged.write_bytes(bytes(content))

    with suppress(VectorFileError):
        assert read(damaged).embedding.ndim == 2


@pytest.mark.parametrize("cut", [0, 5, 60, 127, 500])
def test_a_file_cut_short_is_unusable(run, files, tmp_path, cut):
    """A build that failed to write it."""
    damaged = tmp_path / "cut.npy"
    damaged.write_bytes((files / "same.npy").read_bytes()[:cut])
    code, out, err = run("reference.npy", str(damaged))

    assert (code, out) == (2, "")
    assert "cut.npy: it is damaged, of another format, or holds Python objects; needed is" in err
    assert "Traceback" not in err


def test_unknown_words_are_refused(run):
    """As for every command."""
    with pytest.raises(SystemExit) as ended:
        run("reference.npy", "same.npy", "--treshold", "3")

    assert ended.value.code == 2


def test_help_shows_a_pipeline(run, capsys):
    """What a CI author looks for: the files, the exit codes, a line to copy."""
    with pytest.raises(SystemExit) as ended:
        run("--help")
    told = capsys.readouterr().out

    assert ended.value.code == 0
    for part in ("np.savez", "input_hash", "exit code:", "--junit drift.xml"):
        assert part in told
