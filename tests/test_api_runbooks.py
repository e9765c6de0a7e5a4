"""The runbooks as the exporter serves them: where the links of alerts lead."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.api import runbooks
from app.api.runbooks import pages
from prometheus.alerts import ALERTS
from tests.service import service
from tests.test_api_pages import Page

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def served():
    with service() as running:
        yield running


def shown(served, path):
    reply = served.get(path)
    assert (200, "text/html; charset=utf-8") == (reply.status, reply.headers["content-type"])
    read = Page(reply.text())
    assert ([], []) == (read.open, read.unbalanced)
    return read


def links(read):
    return {value for tag, name, value in read.attributes if (tag, name) == ("a", "href")}


@pytest.mark.parametrize("name", sorted({alert.name for alert in ALERTS}))
def test_the_link_of_an_alert_leads_to_its_runbook(served, name):
    """The path of its runbook_url is served, with every heading and query of the page."""
    (url,) = {alert.runbook_url for alert in ALERTS if alert.name == name}
    source = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text()

    read = shown(served, "/" + url.split("/", 3)[3])

    assert [name] == re.findall(r"^# (.*)$", source, re.MULTILINE)
    for heading in ("Meaning", "Impact", "Diagnosis", "Mitigation"):
        assert heading in read.text
    for query in re.findall(r"```promql\n\s*(.*?)\n\s*```", source):
        assert query in read.text


@pytest.mark.parametrize("name", pages())
def test_every_link_of_a_page_leads_somewhere(served, name):
    """To another page that is served, and an anchor that is there; what is not served is no link."""
    for link in links(shown(served, f"/runbooks/{name}")):
        path, _, anchor = link.partition("#")
        if path.startswith("/"):
            target = shown(served, path)
            assert not anchor or ("id", anchor) in {(attribute, value) for _, attribute, value in target.attributes}
        else:
            assert link.startswith(("http", "#"))


def test_the_list_has_every_runbook_and_the_landing_page_leads_to_it(served):
    """By the alert's name."""
    listed = links(shown(served, "/runbooks"))

    assert {f"/runbooks/{alert.name}" for alert in ALERTS} <= listed
    assert "/runbooks" in links(shown(served, "/"))


@pytest.mark.parametrize("name", ["Nobody", "..%2Fbaselines", "embeddingdriftsevere", "baselines.md"])
def test_no_other_file_is_served(served, name):
    """404, and the name is not echoed."""
    reply = served.get(f"/runbooks/{name}")

    assert (404, {"error": "no such page: /runbooks lists them"}) == (reply.status, reply.json())


def test_html_in_a_page_is_text(tmp_path, monkeypatch):
    """Should a page ever hold some."""
    page = tmp_path / "Page.md"
    page.write_text("# Page\n\n<script>alert(1)</script> [x](javascript:alert(1)) [y](../../etc/passwd)\n")
    monkeypatch.setattr(runbooks, "pages", lambda: {"Page": page})

    read = Page(runbooks._html(page.read_text()))

    assert {"/", "/runbooks"} == links(read)
    assert "script" not in read.tags


def test_a_page_is_imported_for_by_the_first_who_asks():
    """An exporter of whose pages nobody looks at does not pay for the library."""
    code = "import sys, app.main; sys.exit('markdown_it' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode


def test_the_wheel_carries_the_pages(tmp_path):
    """All that the checkout serves, beside the package."""
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == built.returncode, built.stderr

    (wheel,) = tmp_path.glob("*.whl")
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("app/runbooks/")}

    assert {f"app/runbooks/{name}.md" for name in pages()} == carried
