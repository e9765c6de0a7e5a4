"""What the image is made of: pinned with hashes, in step with pyproject.toml, and taken with nothing beside it."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-build.lock": PROJECT["build-system"]["requires"],
}
DOCKERFILE = (ROOT / "Dockerfile").read_text()

every_lock = pytest.mark.parametrize("lock", LOCKS)


def pins(lock):
    """Name -> (requirement, hashes) of what a lock file takes on this Python; several where markers choose."""
    text = re.sub(r"^\s*#.*$", "", (ROOT / lock).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = {}
    for line in filter(str.strip, text.splitlines()):
        requirement, *hashes = line.split("--hash=")
        parsed = Requirement(requirement)
        found.setdefault(canonicalize_name(parsed.name), []).append((parsed, [each.strip() for each in hashes]))
    return found


def chosen(lock):
    """Name -> version, on this machine."""
    return {
        name: next(iter(each.specifier)).version
        for name, every in pins(lock).items()
        for each, _ in every
        if each.marker is None or each.marker.evaluate()
    }


def needed(requirements):
    """The requirements that hold on this machine, without those of extras."""
    parsed = [Requirement(each) for each in requirements]
    return [each for each in parsed if each.marker is None or each.marker.evaluate({"extra": ""})]


@every_lock
def test_everything_is_pinned_to_one_version_with_its_hashes(lock):
    """One `==` each, and at least one SHA-256 of a file."""
    for every in pins(lock).values():
        for requirement, hashes in every:
            assert ["=="] == [each.operator for each in requirement.specifier]
            assert hashes
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes)


@every_lock
def test_the_lock_satisfies_what_is_declared(lock):
    """A dependency that was added, or whose bound has moved, wants `make lock`."""
    versions = chosen(lock)
    for requirement in needed(LOCKS[lock]):
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not in {lock}: make lock"
        assert requirement.specifier.contains(versions[name]), f"{name} of {lock} is out of bounds: make lock"


@every_lock
def test_what_dependencies_need_is_locked_too(lock):
    """--require-hashes refuses what a package asks for and the lock has not. As far as the same version is here."""
    versions = chosen(lock)
    asked = {
        canonicalize_name(each.name)
        for name, locked in versions.items()
        if installed(name) == locked
        for each in needed(requires(name) or ())
    }

    assert asked <= set(versions)


def installed(name):
    """The version of a package that is installed here; None where it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def test_the_image_takes_nothing_without_a_hash():
    """Each `pip install` either requires hashes or reaches no index; nothing is compiled."""
    installs = re.findall(r"pip (?:install|wheel) ([^&\n]*)", DOCKERFILE.replace("\\\n", " "))

    assert 4 == len(installs)
    for arguments in installs:
        assert ("--require-hashes" in arguments and "--only-binary :all:" in arguments) or "--no-index" in arguments
    assert set(re.findall(r"-r (\S+)", DOCKERFILE)) == set(LOCKS)


def test_the_image_says_what_it_is():
    """OCI labels, of the project's own version and licence; the health check asks for what is always answered."""
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', DOCKERFILE))

    assert PROJECT["project"]["version"] == labels["version"]
    assert PROJECT["project"]["license"] == labels["licenses"]
    assert {"title", "description", "revision"} <= set(labels)
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD .*127\.0\.0\.1:10877/-/healthy", DOCKERFILE, re.MULTILINE)


def test_all_that_the_image_copies_is_let_through():
    """.dockerignore takes everything away but what it names."""
    lines = (ROOT / ".dockerignore").read_text().split()
    let_through = {line[1:] for line in lines if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)

    assert {name for line in copied for name in line.split()} == let_through
    assert all((ROOT / name).exists() for name in let_through)


def test_what_is_audited_and_listed_is_what_the_image_has():
    """make audit fails where it cannot look up; both read the lock files."""
    makefile = (ROOT / "Makefile").read_text()
    (audit,) = re.findall(r"pip-audit (.*?)\n\n", makefile, re.DOTALL)
    (sbom,) = re.findall(r"cyclonedx-py (.*?)\n\n", makefile, re.DOTALL)

    assert {"--strict", "--require-hashes"} <= set(audit.split())
    assert set(re.findall(r"-r (\S+)", audit)) == set(LOCKS)
    assert "exit 1" in audit
    assert "requirements.lock" in sbom
    assert "supply" in PROJECT["project"]["optional-dependencies"]
