"""Imports point one way: each package knows only what stands to its left, and libraries stay behind one door."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    {"model", "tree", "journal"},
    {"clock"},
    {"distribution", "cosine", "halves", "projection"},
    {"sketch", "decode", "drift", "signals", "relevance", "vector_file"},
    {"frame", "lifecycle", "outcomes", "triage", "canary"},
    {"compare"},
    {"series"},
    {"store"},
    {"intake"},
    {"baseline"},
    {"evaluate", "state"},
    {"metrics", "access"},
    {"api"},
    {"server"},
    {"main"},
    {"cli"},
)
DOORS = {
    "config": {"main", "cli"},
    "demo": {"cli"},
    "offline": {"cli"},
    "logs": {"main", "cli"},
    "allocator": {"main", "cli"},
}
"""Parts beside the line, and who may import them."""

BESIDE = {
    "config": {"model"},
    "offline": {"drift", "compare", "vector_file"},
}
"""What parts beside the line may themselves import of it."""

LIBRARIES = {
    "datasketches": {"sketch"},
    "prometheus_client": {"metrics", "demo"},
    "fastapi": {"api", "server", "main"},
    "markdown_it": {"api"},
    "starlette": {"api", "main"},
    "bcrypt": {"access"},
    "uvicorn": {"server", "main", "cli"},
}
"""Libraries that only some parts may know."""


def part_of(module):
    """The part of app that a dotted name belongs to: `app.series.pane` is of `series`."""
    return module.split(".")[1] if "." in module else ""


def imports(path, package):
    """Each module that a file imports, relative ones made absolute; also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*kept, *filter(None, [node.module])])
            # `from app import series` names a part only in the names.
            yield from (f"{base}.{alias.name}" for alias in node.names) if base == "app" else (base,)


RANK = {part: position for position, layer in enumerate(LAYERS) for part in layer}


def allowed(own, imported):
    """Whether a module of this part may import that."""
    library, other = imported.split(".")[0], part_of(imported)
    if library != "app":
        return own in LIBRARIES.get(library, {own})
    if other in {"", "__version__", own}:
        return True
    if other in DOORS:
        return own in DOORS[other]
    if own in DOORS:
        return other in BESIDE.get(own, set())
    return other in RANK and own in RANK and RANK[other] < RANK[own]


def violations(root):
    """Every import below `root`/app that the rules above forbid, in words."""
    found = []
    for path in sorted((root / "app").rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        package = module.removesuffix(".__init__") if path.name == "__init__.py" else module.rpartition(".")[0]
        own = part_of(module.removesuffix(".__init__"))
        if own and own not in RANK and own not in DOORS:
            found.append(f"{module}: app.{own} has no place in the line")
        found += [f"{module} imports {each}" for each in imports(path, package) if not allowed(own, each)]
    return found


def module_cycles(root):
    """Cycles of modules within one part, which the line between parts does not see."""
    names = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (root / "app").rglob("*.py")
    }
    edges = {}
    for name, path in names.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        targets = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module in names:
                inner = {f"{node.module}.{alias.name}" for alias in node.names} & names.keys()
                targets |= inner or {node.module}
        # A package's __init__ gathers its modules; that they import each other through it would be the cycle.
        edges[name] = targets - {package if path.name == "__init__.py" else ""}
    cycles, state = [], {}

    def visit(name, trail):
        state[name] = "open"
        for target in sorted(edges[name]):
            if state.get(target) == "open":
                cycles.append(" -> ".join([*trail[trail.index(target) :], target]))
            elif target not in state:
                visit(target, [*trail, target])
        state[name] = "done"

    for name in sorted(edges):
        if name not in state:
            visit(name, [name])
    return cycles


def test_imports_point_one_way():
    """Nothing in app imports what stands right of it, and each library stays behind its door."""
    assert [] == violations(ROOT)


def test_no_modules_import_each_other_in_a_circle():
    """Within a part too."""
    assert [] == module_cycles(ROOT)


def test_every_part_of_the_line_is_there():
    """A renamed part would make its rule say nothing."""
    present = {path.stem for path in (ROOT / "app").iterdir() if path.stem != "__init__"}

    assert set().union(*LAYERS) | DOORS.keys() <= present


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("sketch/a.py", "from app.series import Series", "app.sketch.a imports app.series"),
        ("sketch/a.py", "from app.decode import decode", "app.sketch.a imports app.decode"),
        ("model.py", "import app.distribution", "app.model imports app.distribution"),
        ("store/a.py", "def f():\n    from app.api.routes import x", "app.store.a imports app.api.routes"),
        ("store/a.py", "from app import evaluate", "app.store.a imports app.evaluate"),
        ("store/a.py", "from ..metrics import x", "app.store.a imports app.metrics"),
        ("series/a.py", "from app.config import Settings", "app.series.a imports app.config"),
        ("main.py", "from app.demo.run import main", "app.main imports app.demo.run"),
        ("demo/a.py", "from app.series import Series", "app.demo.a imports app.series"),
        ("config/a.py", "from app.series import Series", "app.config.a imports app.series"),
        ("drift/a.py", "from app.frame import Frame", "app.drift.a imports app.frame"),
        ("compare.py", "from app.series import Series", "app.compare imports app.series"),
        ("frame.py", "from app.compare import compare", "app.frame imports app.compare"),
        ("offline/a.py", "from app.series import Series", "app.offline.a imports app.series"),
        ("series/a.py", "import datasketches", "app.series.a imports datasketches"),
        ("api/a.py", "from prometheus_client import Counter", "app.api.a imports prometheus_client"),
        ("metrics/a.py", "import fastapi", "app.metrics.a imports fastapi"),
        ("evaluate/a.py", "from starlette.responses import Response", "app.evaluate.a imports starlette.responses"),
        ("utils/a.py", "", "app.utils.a: app.utils has no place in the line"),
    ],
)
def test_the_check_sees_a_violation(tmp_path, file, source, expected):
    """On a made-up tree: a check that cannot fail would hold nothing."""
    path = tmp_path / "app" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)

    assert [expected] == violations(tmp_path)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("series/a.py", "from app.sketch import QuantileSketch\nfrom app.series.b import x\nimport numpy"),
        ("cli.py", "from app.demo import run\nfrom app.config import Settings\nfrom app.main import create_app"),
        ("sketch/a.py", "import datasketches\nfrom app import model"),
        ("compare.py", "from app.frame import Frame\nfrom app.drift.sums import VectorSums"),
        ("baseline/a.py", "from app.compare import calibrate\nfrom app.vector_file import read"),
        ("offline/a.py", "from app.compare import compare\nfrom app.drift.family import ALARMS"),
    ],
)
def test_the_check_allows_what_stands_to_the_left(tmp_path, file, source):
    """And what is of the same part."""
    path = tmp_path / "app" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)

    assert [] == violations(tmp_path)


def test_the_check_sees_a_circle(tmp_path):
    """Two modules of one part that import each other."""
    (tmp_path / "app" / "drift").mkdir(parents=True)
    (tmp_path / "app" / "drift" / "__init__.py").write_text("from app.drift.a import x")
    (tmp_path / "app" / "drift" / "a.py").write_text("from app.drift.b import x")
    (tmp_path / "app" / "drift" / "b.py").write_text("from app.drift.a import x")

    assert ["app.drift.a -> app.drift.b -> app.drift.a"] == module_cycles(tmp_path)
