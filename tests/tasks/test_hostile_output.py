"""An output folder that came from elsewhere, its documents forged: every command only says so."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import inprocess
import pytest
from finishedoutputs import Finished, of_imagelist, of_imagenet, of_tree
from forging import Forgery, forgeries, sealed, unsealed, unsealed_forgeries
from support import RawSet

from pipeline import manifest, paths, storage

# A finished folder gets some; SHARDMILL_FORGERIES=1000 SHARDMILL_SEED=7 tries more, and others.
FORGERIES = int(os.environ.get("SHARDMILL_FORGERIES", "8"))
STATUSES = {0, 1, 2, 3, 4}
SAID_OF_DEFECTS = ("Traceback", "internal error", "defect of the program")


@pytest.fixture(params=["a list", "a set in archives", "a tree"])
def finished(
    request: pytest.FixtureRequest, small: RawSet, tmp_path: Path
) -> tuple[Finished, Path]:
    """A finished output folder, and a copy of it as it was."""
    made: dict[str, Callable[[], Finished]] = {
        "a list": lambda: of_imagelist(tmp_path / "list"),
        "a set in archives": lambda: of_imagenet(small, tmp_path / "set"),
        "a tree": lambda: of_tree(tmp_path / "tree"),
    }
    finished = made[request.param]()
    pristine = tmp_path / "pristine"
    shutil.copytree(finished.out, pristine, symlinks=True)
    return finished, pristine


def everything_but(out: Path, folder: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of every file below a folder that is not in the output folder."""
    files = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    every = (path for path in files if not path.is_relative_to(out))
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in every}


def check_commands(patch: pytest.MonkeyPatch, finished: Finished, forged: object) -> None:
    """Run everything over an output folder: it ends as documented, without a traceback."""
    out = finished.out
    for words in (("status", out), ("clean", out), ("verify", out, "--remove-damaged")):
        check_run(patch, forged, *words)
    check_run(patch, forged, *finished.words)


def check_run(patch: pytest.MonkeyPatch, forged: object, *words: object) -> None:
    run = inprocess.verify if words[0] == "verify" else inprocess.shardmill
    try:
        ended = run(patch, *words)
    except Exception as error:
        raise AssertionError(f"{words[0]}: {forged}") from error
    assert ended.status in STATUSES, (forged, ended.said)
    assert not any(each in ended.said for each in SAID_OF_DEFECTS), (forged, ended.said)


def some(chance: random.Random, out: Path) -> Iterator[Forgery]:
    """Yield forgeries, each of a document of another name and of another of its values."""
    documents = sealed(out)
    for _ in range(FORGERIES):
        yield chance.choice(list(forgeries(chance.choice(documents))))


def test_a_forged_document_ends_no_command_and_reaches_nothing_outside(
    monkeypatch: pytest.MonkeyPatch,
    chance: random.Random,
    finished: tuple[Finished, Path],
    tmp_path: Path,
) -> None:
    made, pristine = finished
    outside = everything_but(made.out, tmp_path)
    for forged in some(chance, made.out):
        forged.path.write_bytes(forged.content)
        check_commands(monkeypatch, made, forged)
        made.restore(pristine)
    assert everything_but(made.out, tmp_path) == outside


def test_what_forged_commands_have_noted_ends_none(
    monkeypatch: pytest.MonkeyPatch, chance: random.Random, tmp_path: Path
) -> None:
    made = of_imagelist(tmp_path)
    for path in unsealed(made.out):
        forged = list(unsealed_forgeries(path))
        for content in chance.sample(forged, min(len(forged), 2 * FORGERIES)):
            path.write_bytes(content)
            check_run(monkeypatch, content[:200], "status", made.out)


def test_forged_records_of_a_job_are_removed_and_written_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = of_imagelist(tmp_path)
    records = [paths.last_job(made.out), *storage.documents(paths.jobs(made.out))]
    for path in records:
        path.write_bytes(manifest.serialise({**manifest.load(path), "job": [1]}))
    for name in ("status", "clean"):
        run = inprocess.shardmill(monkeypatch, name, made.out)
        assert (run.status, str(records[1]) in run.said) == (1, True), run.said
    run = inprocess.verify(monkeypatch, made.out, "--remove-damaged")
    assert run.status == 1
    assert all(f"removed: {path}" in run.said for path in records)
    assert inprocess.shardmill(monkeypatch, *made.words).status == 0
    assert inprocess.shardmill(monkeypatch, "status", made.out).status == 0
    assert inprocess.verify(monkeypatch, made.out).status == 0


@pytest.mark.parametrize(
    "options",
    [
        {"steps": []},
        {"config": "/dev/zero"},
        {"classes": "/etc/passwd"},
        {"images": "/dev/zero"},
        {"shards": [["train", 99_999_999]]},
        {"seed": -1, "order": "im2rec"},
        {"label_offset": 10**30},
        {"raw": "/proc", "tree": "/proc"},
    ],
)
def test_a_job_that_nobody_can_have_asked_for_ends_no_command(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, out: Path, options: dict[str, object]
) -> None:
    job = json.loads(small.job(out).to_json()) | options
    record = {"job": json.dumps(job), "files": [], "outputs": [], "products": []}
    storage.publish_bytes(paths.last_job(out), manifest.serialise(record))
    for words in (("status", out), ("clean", out), ("verify", out)):
        check_run(monkeypatch, options, *words)
