"""What stands around the code agrees with it: files, links, names, versions, dependencies."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import app
from app.api.routes import ROUTES
from app.config import Settings
from app.decode import Limits
from app.decode.event import Event
from app.decode.schema import EVENT_FIELDS
from app.model import Reason

ROOT = Path(__file__).resolve().parent.parent
MADE = {"__pycache__", "node_modules", "dist", "build", "out"}
"""Directories that hold what was made from the project, beside those whose names begin with a dot."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SAMPLES_OF_A_SERIES = 350
"""The budget that tests/test_metrics_catalog.py holds a full series to."""

APP = sorted((ROOT / "app").rglob("*.py"))
LATER_STDLIB = {"compression"}
"""In the standard library of a later Python than the oldest supported: imported behind a look at the version."""

BROUGHT = {"starlette": "fastapi"}
"""Imported, but chosen by a dependency: fastapi's classes are starlette's, in the version that fastapi names."""


def _files(directory: Path = ROOT) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.is_dir():
            if path.name not in MADE and (not path.name.startswith(".") or path.name in {".ci", ".github"}):
                yield from _files(path)
        elif not path.is_symlink():
            yield path


PAGES = [path for path in _files() if path.suffix == ".md"]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def _prose(page: Path) -> str:
    """The page without its blocks of code and comments."""
    return re.sub(r"```.*?```|<!--.*?-->", "", page.read_text(), flags=re.DOTALL)


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _spans(page: Path) -> list[str]:
    """What stands in backticks within sentences and tables."""
    return re.findall(r"`([^`\n]+)`", _prose(page))


def _table(page: str, first_column: str) -> set[str]:
    """The names in backticks in the first column of every table of the page whose head begins so."""
    names: set[str] = set()
    inside = False
    for line in (ROOT / page).read_text().splitlines():
        inside = line.startswith(f"| {first_column} |") or (inside and line.startswith("|"))
        if inside:
            names.update(re.findall(r"`([^`]+)`", line.split("|")[1]))
    return names


@every_page
def test_a_link_leads_somewhere(page):
    """Every relative link of every page names a file, and an anchor in it where it names one."""
    links = re.findall(r"\]\(([^)\s]+)\)", _prose(page))
    broken = []
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)

    assert broken == []


@every_page
def test_a_make_target_that_is_told_of_exists(page):
    """`make demo`, in a block of commands or inside a sentence, is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    told = {
        target for text in (*blocks, *_spans(page)) for target in re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)
    }

    assert told <= targets


def test_the_readme_names_the_two_commands():
    """A stranger finds what starts the demonstration and what runs the suite."""
    readme = (ROOT / "README.md").read_text()

    assert {"make demo", "make test"} <= {line.split("#")[0].strip() for line in readme.splitlines()}


def test_the_version_is_that_of_the_newest_change():
    """pyproject.toml, the changelog and the package speak of one version."""
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert PROJECT["version"] == versions[0]
    assert PROJECT["version"] == app.__version__


def test_the_image_of_the_compose_file_has_the_version():
    """docker compose builds the image under the project's own version."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    assert f"embedding-drift-exporter:{PROJECT['version']}" == services["exporter"]["image"]


def test_published_ports_stay_on_loopback():
    """Nothing is set up that closes it: nothing is published beyond the machine."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    published = [port for service in services.values() for port in service.get("ports", [])]

    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_prometheus_scrapes_the_default_port_under_its_job():
    """The shipped configuration has the job that dashboards and rules name, at the exporter's own default."""
    (job,) = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]

    assert "embedding-drift-exporter" == job["job_name"]
    assert [str(Settings().listen)] == job["static_configs"][0]["targets"]
    assert "metrics_path" not in job  # /metrics is the default
    assert Settings().max_label_bytes <= job["label_value_length_limit"]
    assert Settings().max_series * SAMPLES_OF_A_SERIES < job["sample_limit"]


def test_the_image_serves_the_default_port():
    """Dockerfile: the port that is exposed, listened on and probed is one; the user is a number, and not root."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    port = Settings().listen.port

    assert {str(port)} == set(re.findall(r"(?:EXPOSE |0\.0\.0\.0:|127\.0\.0\.1:)(\d+)", dockerfile))
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", dockerfile, re.MULTILINE)


def test_no_file_names_a_place_of_the_machine_it_was_written_on():
    """No path of this checkout, and none into anybody's home."""
    home = re.compile(r"/(?:home|Users)/\w+/|/root/")
    guilty = []
    for path in _files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if f"{ROOT}/" in text or (home.search(text) and path != Path(__file__)):
            guilty.append(str(path.relative_to(ROOT)))

    assert guilty == []


def test_every_dependency_is_used_and_every_import_is_a_dependency():
    """What app/ imports, or names to a library that imports it (uvicorn's uvloop), is what pyproject.toml declares."""
    used, named = _used(path for path in APP if path.parent.name != "demo" and path.name != "arrow.py")
    declared = _declared(PROJECT["dependencies"])

    assert used <= declared
    assert declared - used <= named


def test_the_demonstration_needs_its_extra_and_nothing_more():
    """What app/demo/ imports beside the dependencies is the extra `demo`: the client."""
    used, _ = _used(path for path in APP if path.parent.name == "demo")

    assert _declared(PROJECT["optional-dependencies"]["demo"]) == used - _declared(PROJECT["dependencies"])


def test_the_arrow_decoder_needs_its_extra_and_nothing_more():
    """What app/decode/arrow.py imports beside the dependencies is the extra `arrow`."""
    used, _ = _used(path for path in APP if path.name == "arrow.py")

    assert _declared(PROJECT["optional-dependencies"]["arrow"]) == used - _declared(PROJECT["dependencies"])


def _declared(requirements: list[str]) -> set[str]:
    """The packages that these ask for on this Python."""
    parsed = map(Requirement, requirements)
    return {canonicalize_name(each.name) for each in parsed if not each.marker or each.marker.evaluate()}


def _used(files: Iterable[Path]) -> tuple[set[str], set[str]]:
    """The packages whose modules the files import, and every string in them."""
    modules, strings = _imports(files)
    providers = packages_distributions()
    packages = {canonicalize_name(name) for module in modules for name in providers.get(module, [module])}
    return {BROUGHT.get(name, name) for name in packages}, strings


def _imports(files: Iterable[Path]) -> tuple[set[str], set[str]]:
    """The top-level modules that the code imports, without the standard library and itself; its strings."""
    modules: set[str] = set()
    strings: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names):
                    modules.update(name.name.split(".")[0] for name in names)
                case ast.ImportFrom(module=str(module), level=0):
                    modules.add(module.split(".")[0])
                case ast.Constant(value=str(text)):
                    strings.add(text)
    return modules - sys.stdlib_module_names - LATER_STDLIB - {"app"}, strings


def test_the_field_tables_of_the_http_page_are_the_schema():
    """docs/http.md has the fields that OpenAPI shows, and says which of them this version reads."""
    every, read = _table("docs/http.md", "field"), set(Event.__struct_fields__)

    assert set(EVENT_FIELDS) == every
    assert read <= every


def test_the_http_page_says_which_fields_are_skipped():
    """The fields of the table after the first are those that the decoder has no column for."""
    page = (ROOT / "docs" / "http.md").read_text()
    skipped = page[page.index("skips them unread") :]
    first_table = skipped[: skipped.index("\n\n", skipped.index("| field |"))]
    names = {name for row in first_table.splitlines() for name in re.findall(r"^\| `(\w+)`", row)}

    assert set(EVENT_FIELDS) - set(Event.__struct_fields__) == names


def test_the_http_page_has_every_reason():
    """docs/http.md explains each reason of embedding_event_failures_total."""
    assert set(Reason) == _table("docs/http.md", "reason")


def test_the_http_page_has_the_limits_that_hold():
    """The defaults in docs/http.md are those of the settings, and those of the decoder by itself."""
    page = (ROOT / "docs" / "http.md").read_text()
    rows = re.findall(r"^\| .* \| (\d+).* \| `(\w+)` \|$", page, re.MULTILINE)
    settings = Settings()

    assert len(rows) == 10
    assert [(name, getattr(settings, name)) for _, name in rows] == [(name, float(value)) for value, name in rows]
    assert (Limits().dimension, Limits().top_k, Limits().events, Limits().label_bytes) == (
        settings.max_dimension,
        settings.max_top_k,
        settings.max_batch_events,
        settings.max_label_bytes,
    )


def test_the_http_page_has_every_route():
    """Each route that the application answers stands in docs/http.md, by its path."""
    told = {path for span in _spans(ROOT / "docs" / "http.md") for path in re.findall(r"(/[\w\-/{}.]*)", span)}
    paths = {path for route in ROUTES for path in (route.path, *route.aliases)}

    assert {re.sub(r"{\w+}", "{id}", path) for path in paths} <= told
