"""Rules of the house, read off the source tree: who may import, name and do what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

PROGRAM = sorted(path for name in ("pipeline", "tasks") for path in (ROOT / name).rglob("*.py"))
PIPELINE = [path for path in PROGRAM if path.is_relative_to(ROOT / "pipeline")]
TASKS = [path for path in PROGRAM if path.is_relative_to(ROOT / "tasks")]
LOADERS = ROOT / "pipeline" / "loaders"
STORAGE = ROOT / "pipeline" / "storage"
PATHS = ROOT / "pipeline" / "paths.py"
SAYING = ROOT / "tasks" / "cli" / "saying.py"

FRAMEWORKS = {"tensorflow", "mxnet", "nvidia"}
OUTPUT_NAMES = {"manifest.json", "facts.parquet", ".shardmill", "current", "idx"}
REMOVERS = {"unlink", "rmdir", "rmtree", "removedirs"}
RENAMERS = {"rename", "renames", "replace", "link", "move", "glob", "iglob", "rglob"}

IMPORT_WITHOUT = """
import importlib, sys
class Refuser:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise AssertionError(f"{{name}} was imported")
sys.meta_path.insert(0, Refuser())
for module in {modules!r}:
    importlib.import_module(module)
"""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported(path: Path) -> Iterator[str]:
    """Every module that is imported anywhere in a file, lazily or not, or by its name."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))


def imports_from(path: Path, packages: set[str]) -> list[str]:
    return [
        name
        for name in imported(path)
        if any(f"{name}.".startswith(f"{package}.") for package in packages)
    ]


def import_without(refused: set[str], files: list[Path]) -> None:
    code = IMPORT_WITHOUT.format(refused=refused, modules=[module_name(path) for path in files])
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_library_imports_without_luigi_and_without_its_tasks() -> None:
    assert len(PIPELINE) > 20
    import_without({"luigi", "tasks", *FRAMEWORKS}, PIPELINE)


def test_the_tasks_import_without_any_training_framework() -> None:
    runnable = [path for path in TASKS if path.name != "__main__.py"]
    import_without(FRAMEWORKS, runnable)


@pytest.mark.parametrize("path", PIPELINE, ids=relative)
def test_the_library_knows_no_luigi_and_no_tasks(path: Path) -> None:
    assert imports_from(path, {"luigi", "tasks"}) == []


@pytest.mark.parametrize("path", PROGRAM, ids=relative)
def test_only_loaders_know_a_training_framework(path: Path) -> None:
    if not path.is_relative_to(LOADERS):
        assert imports_from(path, FRAMEWORKS | {"pipeline.loaders"}) == []


def test_sources_and_formats_know_nothing_of_each_other() -> None:
    for one, other in (("sources", "formats"), ("formats", "sources")):
        files = list((ROOT / "pipeline" / one).glob("*.py"))
        assert files
        for path in files:
            assert imports_from(path, {f"pipeline.{other}"}) == [], relative(path)


@pytest.mark.parametrize(
    "path", [path for path in PROGRAM if STORAGE not in path.parents], ids=relative
)
def test_only_storage_renames_lists_by_pattern_or_names_boto3(path: Path) -> None:
    refused = {"boto3", "botocore", "glob", "shutil", "os.rename", "os.replace", "os.link"}
    assert imports_from(path, refused) == []
    called = [
        ast.unparse(node)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in RENAMERS
        and not _is_about_text(node)
    ]
    assert called == []


def _is_about_text(call: ast.Call) -> bool:
    """Whether it is str.replace, which takes two arguments and is no function of os."""
    owner = ast.unparse(call.func).partition(".")[0]
    return ast.unparse(call.func).endswith(".replace") and len(call.args) == 2 and owner != "os"


@pytest.mark.parametrize(
    "path", [path for path in PROGRAM if path != STORAGE / "deleting.py"], ids=relative
)
def test_only_one_module_removes_files_and_folders(path: Path) -> None:
    spelled = {
        ast.unparse(node) for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)
    }
    removers = {name for name in spelled if name.rpartition(".")[2] in REMOVERS}
    assert removers | ({"os.remove"} & spelled) == set()
    refused = {"shutil", "os.remove", *(f"os.{name}" for name in REMOVERS)}
    assert imports_from(path, refused) == []


@pytest.mark.parametrize("path", [path for path in PROGRAM if path != PATHS], ids=relative)
def test_only_paths_spells_the_names_of_the_output_tree(path: Path) -> None:
    tree = parsed(path)
    steps = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "step"
    }
    spelled = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in OUTPUT_NAMES and id(node) not in steps
    ]
    assert spelled == []


def test_documents_are_parsed_in_one_place() -> None:
    parsers = {"json.load", "json.loads", "manifest.load", "manifest.parse"}
    found = {
        relative(path)
        for path in PROGRAM
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in parsers
    }
    # Beside the sealed ones: another program's cache, samples in tars, an argument of Luigi's
    # command, a luigid's answer; and parameters that are compared as they were written.
    assert found == {
        "pipeline/manifest.py",
        "pipeline/exports/dbcollection/cache.py",
        "pipeline/formats/webdataset/shard.py",
        "pipeline/verification/notbegun.py",
        "tasks/arguments.py",
        "tasks/exchange.py",
    }


@pytest.mark.parametrize("path", PROGRAM, ids=relative)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= (250 if path in TASKS else 500)


@pytest.mark.parametrize("path", PROGRAM, ids=relative)
def test_no_file_names_a_folder_of_some_machine(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not node.value.startswith(("/home/", "/root/", "/Users/", "/tmp/"))  # noqa: S108


@pytest.mark.parametrize("path", PIPELINE, ids=relative)
def test_the_library_neither_prints_nor_exits(path: Path) -> None:
    called = {ast.unparse(n.func) for n in ast.walk(parsed(path)) if isinstance(n, ast.Call)}
    assert not called & {"print", "sys.exit", "exit", "os._exit"}


@pytest.mark.parametrize("path", TASKS, ids=relative)
def test_only_one_place_says_something_to_people(path: Path) -> None:
    called = {ast.unparse(n.func) for n in ast.walk(parsed(path)) if isinstance(n, ast.Call)}
    says = {"click.echo", "click.secho", "print"} if path != SAYING else {"print"}
    assert not called & says
