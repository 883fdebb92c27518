"""Which packages are needed, which are there, and how others are installed."""

from __future__ import annotations

import ast
import shlex
import sys
import tomllib
from importlib import metadata, util

import pytest
from packaging.requirements import Requirement
from support import ROOT

from pipeline.environment import packages

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_package_that_the_project_needs_has_a_purpose() -> None:
    assert set(packages.PURPOSES) == {Requirement(each).name for each in PROJECT["dependencies"]}
    extras = PROJECT["optional-dependencies"]
    optional = {Requirement(each).name for key in extras if key != "test" for each in extras[key]}
    assert set(packages.OPTIONAL) == optional


def test_the_lowest_versions_are_those_of_the_project() -> None:
    asked = {Requirement(each) for each in PROJECT["dependencies"]}
    assert {f">={each.least}" for each in packages.needed()} == {str(a.specifier) for a in asked}
    assert packages.missing() == []


def test_what_is_absent_or_too_old_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = packages.version
    versions = {"lxml": None, "luigi": "3.5.9.post1", "rich": "13.7", "pillow-simd": None}
    versions["pillow"] = "11.0"  # which is enough
    monkeypatch.setattr(packages, "version", lambda name: versions.get(name, real(name)))
    assert [each.name for each in packages.missing()] == ["luigi", "lxml"]


def test_without_metadata_any_version_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert {each.least for each in packages.needed()} == {""}


def test_an_installer_is_told_this_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(packages.install_command(["lxml>=5"]))
    assert words[-3:] == ["pip", "install", "lxml>=5"] or words[0] == "uv"
    assert sys.executable in words
    monkeypatch.setattr(util, "find_spec", lambda _name: None)
    assert packages.install_command(["lxml"]).startswith("uv pip install --python ")


def test_a_module_that_cannot_be_loaded_says_why() -> None:
    assert packages.why_not_loaded("json") is None
    assert "no_such_module" in (packages.why_not_loaded("no_such_module") or "")


def test_it_imports_nothing_that_may_be_missing() -> None:
    """It says what is missing where nothing else can be imported."""
    tree = ast.parse((ROOT / "pipeline/environment/packages.py").read_text())
    imported = {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    imported |= {
        n.name for each in ast.walk(tree) if isinstance(each, ast.Import) for n in each.names
    }
    assert {str(name).partition(".")[0] for name in imported} <= set(sys.stdlib_module_names)
