"""The runbooks, as somebody reads them at 2 a.m.: what they point to exists, and what they say to run is taken."""

import json
import re
import shlex
from pathlib import Path

import pytest

from app.drift.gates import GATES
from tests.service import service

ROOT = Path(__file__).parents[1]
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
TEXTS = {page.stem: page.read_text() for page in RUNBOOKS}

every_runbook = pytest.mark.parametrize("name", TEXTS)


def panels():
    """Title of a panel -> the dashboards that have it, by the first words of their titles."""
    found = {}
    for path in (ROOT / "grafana" / "dashboards").glob("*.json"):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for each in (panel, *panel.get("panels", ())):
                if each["type"] != "row":
                    found.setdefault(each["title"], set()).add(board["title"].rpartition("/")[2].strip())
    return found


def section(name, heading):
    return TEXTS[name].partition(f"## {heading}\n")[2].partition("\n## ")[0]


def commands(name):
    """Each command of the page, as the shell reads it."""
    return [
        shlex.split(line)
        for block in re.findall(r"```sh\n(.*?)```", TEXTS[name], re.DOTALL)
        for line in block.splitlines()
    ]


@every_runbook
def test_the_diagnosis_names_panels_that_exist_and_their_dashboard(name):
    """In bold; whoever looks for one finds it, on a dashboard that is named before it."""
    diagnosis = section(name, "Diagnosis")
    titles = [" ".join(title.split()) for title in re.findall(r"\*\*(.+?)\*\*", TEXTS[name], re.DOTALL)]
    known = panels()

    assert titles
    assert [] == [title for title in titles if title not in known]
    named = {board for boards in known.values() for board in boards if re.search(rf"\b{board}\b", diagnosis)}
    for title in titles:
        assert known[title] & named, title


@every_runbook
def test_it_says_what_to_do_in_so_many_words(name):
    """Each part has something in it: a page of headings helps nobody."""
    for heading in ("Meaning", "Impact", "Diagnosis", "Mitigation"):
        assert len(section(name, heading).split()) >= (8 if heading in {"Meaning", "Impact"} else 20), heading


@pytest.fixture(scope="module")
def served():
    with service() as running:
        yield running


@every_runbook
def test_what_it_says_to_send_is_taken(served, name):
    """Lifecycle events as they stand; of baselines nothing is missing but the series."""
    for words in commands(name):
        if "--json" in words:
            path = words[1].removeprefix("http://EXPORTER:10877")
            reply = served.send(words[words.index("--json") + 1].encode(), path=path)
            assert reply.status == {"/v1/lifecycle": 202, "/v1/baselines": 404}[path], reply.text()
            assert path != "/v1/baselines" or "series" in reply.json()["error"]


@every_runbook
def test_the_paths_that_it_asks_for_are_served(served, name):
    """By the method it is said with; a name in capitals stands for what the reader knows."""
    told = re.findall(r"http://EXPORTER:10877(/[\w/.-]*)", TEXTS[name])
    told += re.findall(r"`(?:GET|POST|DELETE) (/[\w/{}.-]*)", TEXTS[name])
    documented = served.get("/openapi.json").json()["paths"]
    paths = {re.sub(r"{\w+}", "ID", path) for path in documented}

    assert [] == [path for path in told if re.sub(r"{\w+}", "ID", path) not in paths]


def test_gates_in_the_runbooks_are_those_in_force():
    """The table of Severe has each page's gate; the text of Detected each ticket's."""
    table = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", TEXTS["EmbeddingDriftSevere"], re.MULTILINE))

    assert {gate.effect: f"{gate.page:g}" for gate in GATES} == table
    detected = section("EmbeddingDriftDetected", "Meaning")
    for gate in GATES:
        assert re.search(rf"\b{gate.ticket:g}\b|\b{100 * gate.ticket:g} %", detected), gate.effect


@every_runbook
def test_a_silence_can_be_pasted(name):
    """amtool wants to know which Alertmanager, and why."""
    for line in re.findall(r"`(amtool [^`]*silence add[^`]*)`", TEXTS[name]):
        words = shlex.split(line)
        assert words[1].startswith("--alertmanager.url=http")
        assert {"--duration", "--comment"} <= {word.partition("=")[0] for word in words}
