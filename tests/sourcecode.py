"""The program's source as the rules of the house look at it: what modules import, call and name."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from support import ROOT

PROGRAM: Final = sorted(
    path for name in ("pipeline", "tasks") for path in (ROOT / name).rglob("*.py")
)
PIPELINE: Final = [path for path in PROGRAM if path.is_relative_to(ROOT / "pipeline")]
TASKS: Final = [path for path in PROGRAM if path.is_relative_to(ROOT / "tasks")]

IMPORT_WITHOUT: Final = """
import importlib, sys
class Refuser:
    refused = set()
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.refused:
            raise AssertionError(f"{{name}} was imported")
sys.meta_path.insert(0, Refuser())
for Refuser.refused, modules in {steps!r}:
    assert Refuser.refused.isdisjoint(sys.modules)
    for module in modules:
        importlib.import_module(module)
"""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(), str(path))))


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Every module that is imported anywhere in a file, lazily or not, or by its name."""
    return tuple(imports_of(nodes(path)))


def imports_of(tree: Iterable[ast.AST]) -> Iterator[str]:
    for node in tree:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and spelled(node.func).endswith("import_module"):
            yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))


@cache
def spelled(node: ast.AST) -> str:
    return ast.unparse(node)


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in nodes(path) if isinstance(node, ast.Call))


@cache
def called(path: Path) -> frozenset[str]:
    return frozenset(spelled(node.func) for node in calls(path))


@cache
def attributes(path: Path) -> frozenset[str]:
    return frozenset(spelled(node) for node in nodes(path) if isinstance(node, ast.Attribute))


def strings(path: Path) -> Iterator[str]:
    return (
        node.value
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def imports_from(path: Path, packages: set[str]) -> list[str]:
    return [
        name
        for name in imported(path)
        if any(f"{name}.".startswith(f"{package}.") for package in packages)
    ]


def outside(*folders: str) -> list[Path]:
    """Return the program's files that lie in none of these folders or files."""
    return [path for path in PROGRAM if not any(_lies_in(path, ROOT / each) for each in folders)]


def _lies_in(path: Path, place: Path) -> bool:
    return path == place or place in path.parents


def offenders(files: Iterable[Path], offends: Callable[[Path], object]) -> set[str]:
    return {relative(path) for path in files if offends(path)}


def import_without(*steps: tuple[set[str], list[Path]]) -> None:
    """Import modules in a new interpreter, in which steps refuse what may not come with them."""
    named = [(refused, [module_name(path) for path in files]) for refused, files in steps]
    code = IMPORT_WITHOUT.format(steps=named)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
