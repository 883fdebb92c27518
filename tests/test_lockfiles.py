"""The lock files name by version and hash what is installed: what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / ".ci" / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
_PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)


def asked_for(*extras: str) -> list[Requirement]:
    """Return what the project depends on, and these of its extras."""
    project = PROJECT["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def pinned(name: str) -> dict[str, set[str]]:
    """Return package -> versions of a lock file: one, or one a version of Python."""
    found: dict[str, set[str]] = {}
    for package, version in _PINNED.findall((LOCKS / f"{name}.txt").read_text()):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("run", ()),
        ("test", ("test",)),
        ("interop", ("test", "tensorflow", "opencv", "grain")),
        ("fuzz", ()),
    ],
)
def test_a_lock_file_pins_all_that_the_project_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    versions = pinned(lock)
    for wanted in asked_for(*extras):
        assert versions[wanted.name], wanted
        assert all(wanted.specifier.contains(each) for each in versions[wanted.name]), wanted


@pytest.mark.parametrize("lock", ["run", "test", "interop", "fuzz"])
def test_luigis_bound_for_windows_holds_nowhere(lock: str) -> None:
    (wanted,) = (LOCKS / "override.in").read_text().splitlines()[1:]
    (version,) = pinned(lock)["python-daemon"]
    assert Requirement(wanted).specifier.contains(version)


def test_what_builds_the_project_is_pinned_too() -> None:
    versions = pinned("build")
    for line in PROJECT["build-system"]["requires"]:
        wanted = Requirement(line)
        assert all(wanted.specifier.contains(each) for each in versions[wanted.name]), wanted


@pytest.mark.parametrize("lock", sorted(path.name for path in LOCKS.glob("*.txt")))
def test_every_version_has_a_hash_and_no_registry_is_named(lock: str) -> None:
    text = (LOCKS / lock).read_text()
    entries = [part for part in re.split(r"\n(?=\S)", text) if _PINNED.match(part)]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


def test_make_installs_and_builds_nothing_without_a_lock_file() -> None:
    makefile = (ROOT / "Makefile").read_text()
    installs = [line for line in makefile.splitlines() if "$(INSTALL)" in line]
    assert installs
    assert all(
        "$(LOCKED)" in line or "$(WHEELS)" in line or "--no-build-isolation --editable ." in line
        for line in installs
    )
    assert "\nWHEELS := --require-hashes --only-binary :all:\n" in makefile
    assert "\nLOCKED := --require-hashes --no-build-isolation " in makefile
