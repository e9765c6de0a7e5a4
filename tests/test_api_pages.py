"""The landing page and /v1/series: what people and programs see of each series."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from app.api.pictures import histogram, scatter
from app.distribution import Distribution
from tests.service import event, service
from tests.test_api_baselines import LEARNED, fill

VOID = {"meta", "link", "br", "img", "input", "hr", "path", "rect"}


class Page(HTMLParser):
    """The page as a browser reads it: elements, attributes and text; tags that do not match are noted."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.unbalanced, self.tags, self.attributes, self.data = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.data.append(data)

    @property
    def text(self):
        return " ".join("".join(self.data).split())


def page(served):
    reply = served.get("/")
    assert 200 == reply.status
    assert "text/html; charset=utf-8" == reply.headers["content-type"]
    read = Page(reply.text())
    assert ([], []) == (read.open, read.unbalanced)
    return read


@pytest.fixture(scope="module")
def drifted():
    """Fifty healthy minutes, then five of scores and norms that fell."""
    with service(**LEARNED) as made:
        fill(made)
        worse = [event(scores=[0.3, 0.2], embedding=[0.1] * 8) for _ in range(200)]
        for _ in range(5):
            made.post(worse)
            made.clock.advance(60)
        made.tick()
        yield made


@pytest.fixture(scope="module")
def healthy():
    """Fifty-five minutes of the same."""
    with service(**LEARNED) as made:
        fill(made, minutes=55)
        yield made


def test_outcome_rates_stand_beside_the_scores():
    """Of the last hour and before it, each with the number of queries that it is known of."""
    with service() as made:
        made.post([event(outcome={"clicked": number < 30, "no_answer": False}) for number in range(40)])
        made.tick()
        assert "clicked 75.0% of 40 no answer 0.0% of 40" in page(made).text
        for seconds in (300, 3600):
            made.clock.advance(seconds)
            made.tick()
        made.post([event(outcome={"clicked": number < 1}) for number in range(8)])
        made.tick()

        assert re.search(r"clicked 12\.5% of 8 ?75\.0% of 40 no answer ?0\.0% of 40", page(made).text)


def test_recall_stands_there_too():
    """Of labelled queries: 3 of 4 documents found before, then 1 of 4."""
    with service() as made:
        for found in (3, 1):
            made.post(
                [event(ids=["a" if number < found else "b"], scores=[0.5], relevant=["a"]) for number in range(4)]
            )
            made.tick()
            text = page(made).text
            made.clock.advance(2 * 3600)

        assert "recall at 10 25.0% of 4 75.0% of 4" in text


def test_before_its_first_hour_is_over_a_series_has_no_recall_of_before():
    """Labelled queries since the last evaluation are not older ones."""
    with service() as made:
        for _ in range(2):
            made.post([event(ids=["a"], scores=[0.5], relevant=["a"])])
            if not made.services.evaluator.latest.at:
                made.tick()

        assert "recall at 10 100.0% of 1 top1" in page(made).text


def test_the_state_of_a_series_stands_in_words(drifted, healthy):
    """Not by the colour of an edge alone."""
    with service() as new:
        new.post([event()])
        told = [page(served).text for served in (drifted, healthy, new)]

    states = ["over its limits", "within its limits", "no scores yet"]
    assert states == [next(state for state in states if state in text) for text in told]


def test_without_outcomes_there_is_no_table_of_them(healthy):
    """Absent, not zero."""
    assert "what came of queries" not in page(healthy).text


def test_without_events_the_page_says_how_to_send_one():
    """A stranger's first look."""
    with service() as served:
        shown = page(served)

    assert "No events yet" in shown.text
    assert "/v1/events" in shown.text
    assert "Not evaluated yet" in shown.text


def test_before_an_evaluation_the_counts_are_there():
    """They are live; scores and windows come with the first evaluation."""
    with service() as served:
        served.post([event(embedding=[0.6, 0.8])] * 3)
        shown = page(served)

    assert "e5" in shown.text
    assert "3 events" in shown.text
    assert "2 dimensions" in shown.text


def test_a_window_with_too_few_events_says_how_many_are_needed():
    """Absent scores with the reason, rather than wrong ones."""
    with service() as served:
        served.post([event()] * 37)
        # Learning takes in closed panes.
        served.clock.advance(330)
        served.tick()
        shown = page(served)

    assert "37 of 200" in shown.text
    assert "learning" in shown.text
    assert "37 events so far (2,000 needed)" in shown.text


def test_a_series_over_its_limit_says_which_score_and_by_how_much(drifted):
    """State, the list over the limit, and pictures of now over the baseline."""
    shown = page(drifted)

    assert "Baseline: final" in shown.text
    told = re.findall(r"([\d.,]+) times its limit: (\w+ of \w+) in the last (\w+) ", shown.text)
    assert {("norm of norm", "5m"), ("top1 of top1_similarity", "5m")} <= {each[1:] for each in told}
    assert len(told) == len({each[1] for each in told}), "no statistic twice"
    assert all(float(each[0].replace(",", "")) > 1 for each in told)
    assert ("article", "class", "over") in shown.attributes
    assert 4 == shown.tags.count("svg"), "where the vectors lie, pc1, norm and top-1"
    assert "top1_similarity: now (filled) over baseline (outline)" in shown.text
    assert {"baseline", "current"} <= {
        value for tag, name, value in shown.attributes if (tag, name) == ("path", "class")
    }


def test_the_series_that_drifts_most_comes_first(drifted):
    """On the page and in the list alike."""
    drifted.post([event(model="a-quiet-one")] * 5)
    drifted.tick()

    listed = [series["model"] for series in drifted.get("/v1/series").json()["series"]]

    assert ["e5", "a-quiet-one"] == listed
    assert page(drifted).text.index("version 2, tokenizer 1") < page(drifted).text.index("a-quiet-one")


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "quote": "' onmouseover='alert(1)",
    "template": "{{ 7 * 7 }}{% raw %}",
    "entity": "&lt;b&gt; &amp;",
    "right to left": "\u202e\u05d0\u05d1\u05d2 model",
}


@pytest.mark.parametrize("label", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_label_stays_text(label):
    """Labels come from clients: none becomes an element, an attribute or a template."""
    with service() as served:
        harmless = page_with(served, "harmless")
        assert 202 == served.post(event(model=label, model_version=label, tokenizer_version=label)).status
        served.tick()
        shown = page(served)

    assert label in "".join(shown.data)
    assert harmless.tags.count("img") == shown.tags.count("img") == 0
    assert harmless.tags.count("script") == shown.tags.count("script") == 0
    assert {name for _, name, _ in harmless.attributes} == {name for _, name, _ in shown.attributes}


def page_with(served, label):
    served.post(event(model=label, model_version=label, tokenizer_version=label))
    served.tick()
    return page(served)


def test_one_of_a_thing_is_one():
    """The first event that somebody sends by hand is what they look at most closely."""
    with service() as served:
        served.post([event(embedding=[0.6, 0.8])])
        shown = page(served)

    assert "1 event, the last 0 s ago. 1 query: 0 failed" in shown.text
    assert "1 vector of 2 dimensions" in shown.text


def test_the_page_fetches_nothing(drifted):
    """It works where there is no way out, and tells nobody that it was looked at."""
    text = drifted.get("/").text()
    shown = Page(text)

    assert not {"script", "link", "img", "iframe", "object"} & set(shown.tags)
    assert not [value for _, name, value in shown.attributes if name in {"src", "xlink:href", "data"}]
    assert all(value.startswith("/") for _, name, value in shown.attributes if name == "href")
    assert not re.search(r"url\(|@import|https://", text)


def test_links_lead_somewhere(drifted):
    """Each link of the page is answered."""
    links = {value for _, name, value in page(drifted).attributes if name == "href"}

    assert {"/metrics", "/v1/series", "/v1/baselines", "/runbooks", "/docs"} <= links
    assert len(links) == 6, "and the baseline's export"
    assert {200} == {drifted.get(link).status for link in links}


def test_folded_events_are_told():
    """What is counted without scores is not hidden."""
    with service(max_series=1) as served:
        served.post([event(), event(model="one-too-many"), event(model="two-too-many")])
        served.tick()
        shown = page(served)
        listed = served.get("/v1/series").json()["series"]

    assert "2 events past a limit" in shown.text
    assert ["e5", "__other__"] == [series["model"] for series in listed]


def test_the_list_of_series_says_all_that_the_page_shows(drifted):
    """Counts, windows with quantiles, the baseline with its progress, scores with the highest first."""
    reply = drifted.get("/v1/series")
    series = reply.json()["series"][0]

    assert "application/json" == reply.headers["content-type"]
    assert ("e5", "2", "1", "query") == tuple(
        series[name] for name in ("model", "model_version", "tokenizer_version", "kind")
    )
    assert 2000 == series["events"] == series["queries"] == series["vectors"]
    assert {"5m", "1h", "24h"} == set(series["windows"])
    assert 0.3 == pytest.approx(series["windows"]["5m"]["signals"]["top1_similarity"]["quantiles"]["0.5"], abs=0.01)
    assert "final" == series["baselines"]["pinned"]["state"]
    scores = [score["score"] for score in series["scores"] if score["score"] is not None]
    assert scores[0] > 1
    assert sorted(scores, reverse=True) == scores
    assert 200 == drifted.ask("HEAD", "/v1/series").status


def test_what_probably_happened_comes_first_on_the_page(drifted):
    """The words of the list of series, in the card before anything else, in the colour of what is bad."""
    series = drifted.get("/v1/series").json()["series"][0]
    line = series["diagnosis"]["pinned"]
    (first, *_) = series["suspects"]["pinned"]
    card = page(drifted).text.partition("e5 version 2, tokenizer 1, query ")[2]

    assert f"{first['title']}: {first['evidence']}" == line
    assert card.startswith(line[0].upper() + line[1:] + ". ")


def test_nothing_is_suspected_of_healthy_traffic(healthy):
    """Null in the list; no line, and nothing in the colour of what is bad, on the page."""
    series = healthy.get("/v1/series").json()["series"][0]

    assert {"pinned": None} == series["diagnosis"]
    assert {"pinned": []} == series["suspects"]
    assert not [value for _, name, value in page(healthy).attributes if name == "class" and "bad" in value.split()]


def test_the_list_has_effects_and_diagnostics(drifted):
    """Effects by window and baseline; diagnostics come after the scores and have neither limit nor score."""
    series = drifted.get("/v1/series").json()["series"][0]
    scored = [score["score"] is not None for score in series["scores"]]

    assert "5m" in series["effects"]
    assert series["effects"]["5m"]["pinned"]["norm_change_ratio"] < -0.5
    assert sorted(scored, reverse=True) == scored
    assert {(True, True), (False, False)} == {
        (score["limit"] is not None, score["score"] is not None) for score in series["scores"]
    }
    baseline = series["baselines"]["pinned"]
    assert {"state", "origin", "id", "events", "created", "covered_seconds", "peer", "progress"} == set(baseline)
    assert baseline["events"] > 400


def test_a_card_stays_small(drifted):
    """With all of its pictures: the page is fetched every ten seconds, on a phone too."""
    assert len(drifted.get("/").body) < 30_000


def test_what_is_not_known_is_null_or_absent_and_never_nan():
    """A series without vectors, scores or a baseline."""
    with service() as served:
        served.post({"model": "bare"})
        served.tick()
        reply = served.get("/v1/series")

    series = reply.json()["series"][0]
    assert series["dimension"] is None
    assert series["baselines"]["pinned"]["id"] is None
    assert [] == series["scores"]
    assert "NaN" not in reply.text()


POINTS = re.compile(r'<path class="points (\w+)" d="([^"]*)"/>')


def test_a_scatter_has_every_point_within_its_frame():
    """Those beyond the quantiles too, at the edge; coordinates are whole."""
    rng = np.random.default_rng(7)
    baseline, current = rng.normal(size=(512, 2)), rng.normal(1.0, 1.0, (128, 2))
    current[0], current[1] = [1000, -1000], [-1000, 1000]

    picture = scatter("1h", current.astype(np.float32), baseline.astype(np.float32))

    # The first two are those of the legend.
    (*_, (first, below), (second, above)) = POINTS.findall(picture)
    assert ("baseline", "current") == (first, second), "the window lies over the baseline"
    assert (512, 128) == (below.count("M"), above.count("M"))
    places = np.array([tuple(map(int, place)) for place in re.findall(r"M(\d+) (\d+)h0", below + above)])
    assert 640 == len(places)
    assert (places >= [14, 20]).all()
    assert (places <= [260, 198]).all()
    assert "last 1h" in picture
    assert "<title>" in picture
    assert len(picture) < 12_000


@pytest.mark.parametrize("rows", [np.zeros((3, 2)), np.full((1, 2), 1e-30), np.full((2, 2), -1e9)])
def test_a_scatter_of_one_place_is_drawn(rows):
    """Vectors that are all the same, as after a collapse."""
    picture = scatter("1h", rows.astype(np.float32), rows.astype(np.float32))

    assert "nan" not in picture
    assert not Page(picture).open


def test_a_picture_of_equal_values_has_a_width():
    """One value for all is the rule with normalised vectors."""
    one = Distribution(np.array([1.0]), np.array([1.0]), 100)

    picture = histogram("norm", one, None)

    assert "nan" not in picture
    assert ["svg"] == [tag for tag in Page(picture).tags if tag == "svg"]
