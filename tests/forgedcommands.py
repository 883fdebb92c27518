"""Every command over an output folder of which a document is forged: it only says so."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import inprocess
import pytest
from finishedoutputs import Finished, of_imagelist, of_imagenet, of_tree
from forging import forgeries, sealed
from support import RawSet

STATUSES = {0, 1, 2, 3, 4}
SAID_OF_DEFECTS = ("Traceback", "internal error", "defect of the program")
MADE: dict[str, Callable[[RawSet, Path], Finished]] = {
    "a list": lambda _, folder: of_imagelist(folder / "list"),
    "a set in archives": lambda raw, folder: of_imagenet(raw, folder / "set"),
    "a tree": lambda _, folder: of_tree(folder / "tree"),
}


def check_forgeries(
    patch: pytest.MonkeyPatch, made: Finished, folder: Path, chance: random.Random, number: int
) -> None:
    """Forge some documents, each of another name and at another of its values, and run everything.

    Args:
        patch: of the test.
        made: a finished output folder.
        folder: one that holds it, in which nothing else may change.
        chance: chooses what is forged.
        number: of forgeries.
    """
    pristine = folder / "pristine"
    shutil.copytree(made.out, pristine, symlinks=True)
    outside = everything_but(made.out, folder)
    documents = sealed(made.out)
    for _ in range(number):
        forged = chance.choice(list(forgeries(chance.choice(documents))))
        forged.path.write_bytes(forged.content)
        check_commands(patch, made, forged)
        made.restore(pristine)
    assert everything_but(made.out, folder) == outside


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
    """Run a command over what is forged: it ends as documented, without a traceback."""
    run = inprocess.verify if words[0] == "verify" else inprocess.shardmill
    try:
        ended = run(patch, *words)
    except Exception as error:
        raise AssertionError(f"{words[0]}: {forged}") from error
    assert ended.status in STATUSES, (forged, ended.said)
    assert not any(each in ended.said for each in SAID_OF_DEFECTS), (forged, ended.said)
