from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from pipeline import storage
from pipeline.errors import ConfigError, OutputDamaged, UsageError
from pipeline.exports.dbcollection import export
from pipeline.exports.dbcollection.cache import register
from pipeline.exports.dbcollection.file import TASKS, ClassText, write
from pipeline.exports.dbcollection.split import arrange
from pipeline.storage import StagedFile
from tasks.cli.dbcollection_cache import dbcollection_cache

KEYWORDS = ["classification", "image_processing"]
OTHER: dict[str, Any] = {
    "category": {"classification": {"mnist": ["classification"]}, "detection": {"coco": ["keys"]}},
    "dataset": {"mnist": {"data_dir": "/mnist", "keywords": ["classification"], "tasks": {}}},
    "info": {"root_cache_dir": "/cache", "root_downloads_dir": "/downloads"},
}


def write_task(path: Path, task: str, data_dir: str) -> Path:
    rows = pa.table({"key": ["n01/1.JPEG"], "class_id": ["n01"]})
    with StagedFile(path) as staged:
        splits = [arrange("train", {"n01": 1}, [rows])]
        write(staged, task, splits, {"n01": ClassText("tench", "a fish")}, data_dir)
        storage.publish(staged)
    return path


@pytest.fixture
def files(out: Path) -> dict[str, Path]:
    """A small file for each task."""
    return {task: write_task(export.file(out, task), task, "/data") for task in TASKS}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with nothing in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def cache(home: Path) -> Any:
    return json.loads((home / "dbcollection.json").read_text())


def entry(home: Path, files: dict[str, Path]) -> dict[str, object]:
    """What should be registered."""
    tasks = {
        task: {"filename": str(path), "categories": ["image_processing", "classification"]}
        for task, path in files.items()
    }
    folder = str(home / "dbcollection" / "ilsvrc2012")
    return {"cache_dir": folder, "data_dir": "/data", "keywords": KEYWORDS, "tasks": tasks}


def test_a_cache_is_made_as_dbcollection_makes_it(home: Path, files: dict[str, Path]) -> None:
    found = register(home, files)
    assert (found.cache, found.files, found.replaced) == (home / "dbcollection.json", files, {})
    root = home / "dbcollection"
    assert cache(home) == {
        "category": {word: {"ilsvrc2012": ["classification", "raw256"]} for word in KEYWORDS},
        "dataset": {"ilsvrc2012": entry(home, files)},
        "info": {"root_cache_dir": str(root), "root_downloads_dir": str(root / "downloads")},
    }


def test_the_cache_is_spelled_as_dbcollection_spells_it(home: Path, files: dict[str, Path]) -> None:
    register(home, files)
    spelled = json.dumps(cache(home), sort_keys=True, indent=4, ensure_ascii=False)
    assert (home / "dbcollection.json").read_text() == spelled + "\n"


def test_what_else_is_in_the_cache_is_kept(home: Path, files: dict[str, Path]) -> None:
    (home / "dbcollection.json").write_text(json.dumps(OTHER))
    register(home, files)
    both = {"ilsvrc2012": ["classification", "raw256"]}
    assert cache(home) == {
        "category": {
            "classification": {"mnist": ["classification"], **both},
            "detection": {"coco": ["keys"]},
            "image_processing": both,
        },
        "dataset": {**OTHER["dataset"], "ilsvrc2012": entry(home, files)},
        "info": OTHER["info"],
    }


def test_registering_again_changes_nothing(home: Path, files: dict[str, Path]) -> None:
    register(home, files)
    before = (home / "dbcollection.json").read_bytes()
    assert register(home, files).replaced == {}
    assert (home / "dbcollection.json").read_bytes() == before


def test_it_says_which_files_it_takes_the_place_of(
    home: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    register(home, files)
    moved = {task: write_task(tmp_path / f"new-{task}.h5", task, "/data") for task in TASKS}
    assert register(home, moved).replaced == {task: str(path) for task, path in files.items()}
    assert cache(home)["dataset"]["ilsvrc2012"] == entry(home, moved)


def test_a_link_in_the_place_of_the_cache_stays_one(
    home: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "kept.json").write_text(json.dumps(OTHER))
    (home / "dbcollection.json").symlink_to(tmp_path / "kept.json")
    register(home, files)
    assert (home / "dbcollection.json").is_symlink()
    assert set(json.loads((tmp_path / "kept.json").read_text())["dataset"]) == {
        "mnist",
        "ilsvrc2012",
    }


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"info": []}', '{"dataset": {"ilsvrc2012": 1}}', "[" * 100_000]
)
def test_a_file_that_is_no_cache_is_left_as_it_is(
    home: Path, files: dict[str, Path], content: str
) -> None:
    (home / "dbcollection.json").write_text(content)
    with pytest.raises(ConfigError, match="no cache of dbcollection"):
        register(home, files)
    assert (home / "dbcollection.json").read_text() == content


def test_files_for_other_folders_are_refused(home: Path, files: dict[str, Path]) -> None:
    write_task(files["raw256"], "raw256", "/elsewhere")
    with pytest.raises(UsageError, match=r"/data \(classification\), /elsewhere \(raw256\)"):
        register(home, files)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n\x02"])
def test_a_file_that_is_none_of_dbcollection_is_refused(
    home: Path, files: dict[str, Path], content: bytes
) -> None:
    files["raw256"].write_bytes(content)
    with pytest.raises(OutputDamaged, match=r"raw256\.h5: this is no file"):
        register(home, files)


def test_the_command_registers_what_lies_in_the_output(
    home: Path, files: dict[str, Path], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out.parent)
    run = CliRunner().invoke(dbcollection_cache, [out.name, "--home", "home"])
    assert run.exit_code == 0, run.output
    assert run.stderr.count("warning: ") == len(files), "none of the images is there"
    assert run.stdout.splitlines() == [
        *(f"{task}: {path}" for task, path in files.items()),
        f"registered in {home / 'dbcollection.json'}",
    ]
    assert cache(home)["dataset"]["ilsvrc2012"] == entry(home, files)


def test_the_command_registers_in_the_home_of_who_runs_it(
    home: Path, files: dict[str, Path], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    assert CliRunner().invoke(dbcollection_cache, [str(out)]).exit_code == 0
    assert set(cache(home)["dataset"]["ilsvrc2012"]["tasks"]) == set(files)


def test_the_command_refuses_a_home_that_is_no_folder(home: Path, out: Path) -> None:
    (home / "file").touch()
    for name in ("absent", "file"):
        run = CliRunner().invoke(dbcollection_cache, [str(out), "--home", str(home / name)])
        assert isinstance(run.exception, UsageError)
        assert run.exception.file == str(home / name)


def test_the_command_says_what_is_missing(home: Path, out: Path) -> None:
    run = CliRunner().invoke(dbcollection_cache, [str(out), "--home", str(home)])
    assert isinstance(run.exception, UsageError)
    assert run.exception.file == str(export.file(out, "classification"))
    assert list(home.iterdir()) == []
