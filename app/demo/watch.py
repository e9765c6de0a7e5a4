"""What the exporter shows: its /metrics page, read as Prometheus reads it, and the diagnosis in GET /v1/series."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from app.demo.acts import MODEL, MODEL_VERSION, TOKENIZER_VERSION

# Straight to the loopback: a proxy of the environment has no business there.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SCRAPE_TIMEOUT_SECONDS = 10.0


class Crossing(NamedTuple):
    """A drift score and whose it is."""

    signal: str
    statistic: str
    window: str
    value: float

    def __str__(self) -> str:
        """The parts in the order in which one reads them aloud."""
        return f"{self.signal}: {self.statistic} over {self.window} at {self.value:.2f} times its limit"


class Suspect(NamedTuple):
    """What the exporter takes for the cause, and why."""

    cause: str
    """As in the label `cause`."""
    title: str
    evidence: str

    def __str__(self) -> str:
        """As on the landing page."""
        return f"{self.title}: {self.evidence}"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the exporter."""

    samples: Mapping[str, list[tuple[Mapping[str, str], float]]]
    """Sample name -> (labels, value) of the demonstration's model."""
    suspects: tuple[Suspect, ...]
    """Of the watched series against its pinned baseline, the surest first."""

    @classmethod
    def of(cls, text: str, listing: str) -> Reading:
        """Read a page in the Prometheus text format and the list of series. Raises ValueError where one is none."""
        samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.labels.get("model") == MODEL and sample.labels.get("model_version") == MODEL_VERSION:
                    samples.setdefault(sample.name, []).append((sample.labels, sample.value))
        return cls(samples, _suspects(json.loads(listing)["series"]))

    def scores(self) -> list[Crossing]:
        """Every drift score of the watched series against its pinned baseline."""
        return [
            Crossing(labels["signal"], labels["statistic"], labels["window"], value)
            for labels, value in self._of_version("embedding_drift_score", TOKENIZER_VERSION)
            if labels["baseline"] == "pinned"
        ]

    def suspected(self) -> set[str]:
        """The causes whose gauge is 1."""
        return {
            labels["cause"]
            for labels, value in self._of_version("embedding_drift_suspect", TOKENIZER_VERSION)
            if labels["baseline"] == "pinned" and value == 1
        }

    def baseline_state(self) -> str | None:
        """The state of the watched series' pinned baseline: learning, provisional or final; None before it."""
        for labels, value in self._of_version("embedding_baseline_state", TOKENIZER_VERSION):
            if labels["baseline"] == "pinned" and value == 1:
                return labels["state"]
        return None

    def events(self) -> int:
        """Events of the watched series accepted so far."""
        return int(sum(value for _, value in self._of_version("embedding_events_total", TOKENIZER_VERSION)))

    def successes(self, tokenizer_version: str) -> tuple[int, int]:
        """Users of this version who found what they came for, and all of whom it is known."""
        told = [
            (labels["value"] == "true", int(value))
            for labels, value in self._of_version("embedding_outcomes_total", tokenizer_version)
            if labels["outcome"] == "success"
        ]
        return sum(count for success, count in told if success), sum(count for _, count in told)

    def first_seen(self, tokenizer_version: str) -> float | None:
        """When this version was first seen, in unix seconds; None where it was not."""
        seen = self._of_version("embedding_version_first_seen_timestamp_seconds", tokenizer_version)
        return seen[0][1] if seen else None

    def last_event(self, tokenizer_version: str) -> float | None:
        """The time of this version's last event, in unix seconds; None where there is none."""
        last = self._of_version("embedding_last_event_timestamp_seconds", tokenizer_version)
        return last[0][1] if last else None

    def _of_version(self, name: str, tokenizer_version: str) -> list[tuple[Mapping[str, str], float]]:
        return [
            (labels, value)
            for labels, value in self.samples.get(name, [])
            if labels["tokenizer_version"] == tokenizer_version and labels["kind"] == "query"
        ]


def _suspects(series: list[dict[str, Any]]) -> tuple[Suspect, ...]:
    for entry in series:
        identity = tuple(entry[name] for name in ("model", "model_version", "tokenizer_version", "kind"))
        if identity == (MODEL, MODEL_VERSION, TOKENIZER_VERSION, "query"):
            # Absent before the first evaluation, and without a baseline.
            return tuple(Suspect(**each) for each in entry.get("suspects", {}).get("pinned", ()))
    return ()


def fetch(url: str, timeout_seconds: float = SCRAPE_TIMEOUT_SECONDS) -> str:
    """The page at a URL. Raises OSError where there is none (urllib's HTTPError is one)."""
    with _OPENER.open(url, timeout=timeout_seconds) as response:
        return str(response.read(), "utf-8")
