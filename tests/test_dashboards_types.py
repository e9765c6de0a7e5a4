"""The dashboards as Grafana's own types read them: what these do not know is lost when it is written again."""

import copy
import json

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.test_dashboards import OPTIONAL, PAGES

UNTYPED = {
    "id": "null for a dashboard that is not stored yet, which is written by leaving it out",
    "annotations.list.step": "an option of Prometheus' annotations",
    "annotations.list.useValueForTime": "an option of Prometheus' annotations",
    "annotations.list.titleFormat": "an option of Prometheus' annotations",
    "annotations.list.textFormat": "an option of Prometheus' annotations",
    "annotations.list.tagKeys": "an option of Prometheus' annotations",
    "templating.list.definition": "a variable's query as the list of variables shows it",
}
"""What Grafana reads and its published types leave out."""

WHOLE = {path.stem: page for path, page in (PAGES | OPTIONAL).items()}
every_page = pytest.mark.parametrize("page", WHOLE.values(), ids=WHOLE)

register_default_plugins()


def lost(page):
    """Where something is not as it was after a round trip."""
    return set(differences(page, json.loads(json.dumps(Dashboard.from_json(page), cls=JSONEncoder))))


def differences(sent, back, place=""):
    if isinstance(sent, dict) and isinstance(back, dict):
        for key, value in sent.items():
            yield from differences(value, back.get(key, "nothing"), f"{place}.{key}".strip("."))
    elif isinstance(sent, list) and isinstance(back, list) and len(sent) == len(back):
        for one, other in zip(sent, back, strict=True):
            yield from differences(one, other, place)
    elif sent != back:
        yield place


@every_page
def test_a_dashboard_comes_back_whole(page):
    """No option is misspelt, and none stands where the types of Grafana 11.6 have no place for it."""
    assert set() == lost(page) - UNTYPED.keys()


def test_no_exception_is_left_over():
    """Each is lost of some dashboard."""
    assert UNTYPED.keys() <= set().union(*map(lost, WHOLE.values()))


@pytest.mark.parametrize(
    "where", [("options",), ("fieldConfig", "defaults", "custom"), ("options", "legend")], ids=".".join
)
def test_a_misspelt_option_is_seen(where):
    """In the options of a panel, of its field, of its legend."""
    page = copy.deepcopy(WHOLE["on-call"])
    place = next(each for each in page["panels"] if each["type"] == "timeseries")
    for key in where:
        place = place[key]
    place["legnd"] = "bottom"

    assert {f"panels.{'.'.join(where)}.legnd"} == lost(page) - UNTYPED.keys()
