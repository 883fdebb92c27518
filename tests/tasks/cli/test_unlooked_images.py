"""Status and a dry run look at lists or folders alone, and say so; a run looks at each image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import inprocess
import pytest
from drawnlists import draw_list, encoded, lay
from drawntrees import draw_tree
from filetimes import age
from inprocess import Ran

from pipeline import paths, storage
from pipeline.job.resolve import resolve
from tasks.roots import PrepareImageList, looked_at

LIST = (
    "the images were not looked at, only size and time (in a store: size and ETag) of the list:"
    " a run of the command looks at each"
)
FOLDERS = LIST.replace("the list", "the folders")


@dataclass(frozen=True)
class Case:
    """What is prepared, where its images lie, and one of these."""

    words: tuple[object, ...]
    folder: Path
    image: Path
    said: str

    def run(self, patch: pytest.MonkeyPatch, out: Path, *more: object) -> Ran:
        return inprocess.shardmill(patch, *self.words, "--out", out, *more)


def of_list(folder: Path) -> Case:
    drawn = draw_list(folder, 8)
    words = ("imagelist", drawn.path, "--root", drawn.root)
    return Case(words, drawn.root, drawn.root / drawn.names[0], LIST)


def of_folder(folder: Path) -> Case:
    root = draw_list(folder, 8).root
    return Case(("imagelist", root, "--recursive"), root, root / "cats" / "0.jpg", FOLDERS)


def of_tree(folder: Path) -> Case:
    drawn = draw_tree(folder)
    where = ("--tree", drawn.tree, "--config", drawn.config, "--split", "train")
    return Case(("imagenet", *where), drawn.tree, drawn.image(1), FOLDERS)


@pytest.fixture(params=[of_list, of_folder, of_tree])
def finished(
    request: pytest.FixtureRequest, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> Case:
    """Return what was prepared, of old files."""
    case: Case = request.param(tmp_path / "in")
    age(tmp_path)
    run = case.run(monkeypatch, out)
    assert (run.status, "not looked at" in run.said) == (0, False), run.said
    return case


def status(patch: pytest.MonkeyPatch, out: Path) -> Ran:
    return inprocess.shardmill(patch, "status", out)


def test_they_look_at_no_image_and_say_so(
    finished: Case, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("an image was looked at")

    monkeypatch.setattr(storage, "file_stamps", refuse)
    for run in (status(monkeypatch, out), finished.run(monkeypatch, out, "--dry-run")):
        assert run.status == 0, run.said
        assert run.said.splitlines().count(finished.said) == 1
    monkeypatch.setattr(storage, "entries", refuse)
    with pytest.raises(AssertionError, match="an image was looked at"):
        finished.run(monkeypatch, out)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.write_bytes(image.read_bytes() + b"\0"),
        lambda image: image.write_bytes(image.read_bytes()[:-3] + b"\1\2\3"),
        lambda image: image.unlink(),
    ],
    ids=["grown", "replaced", "vanished"],
)
def test_the_next_run_looks_at_each_image(
    finished: Case, change: Callable[[Path], object], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "already complete" in finished.run(monkeypatch, out).said
    change(finished.image)
    run = finished.run(monkeypatch, out)
    assert "already complete" not in run.said
    if run.status == 0:
        assert "already complete" in finished.run(monkeypatch, out).said
    assert finished.run(monkeypatch, out).status == run.status


def test_a_file_that_is_added_to_a_folder_is_noticed_by_all(
    finished: Case, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if finished.said == LIST:
        pytest.skip("a list names its images")
    lay(finished.image.with_name(f"{finished.image.stem}9{finished.image.suffix}"), encoded(44))
    said = status(monkeypatch, out)
    assert (said.status, finished.said in said.said) == (1, False), said.said
    assert "already complete" not in finished.run(monkeypatch, out, "--dry-run").said
    assert "already complete" not in finished.run(monkeypatch, out).said


def test_a_list_that_was_changed_is_noticed_by_all(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = draw_list(tmp_path / "in", 8)
    case = Case(("imagelist", drawn.path, "--root", drawn.root), drawn.root, drawn.root, LIST)
    age(tmp_path)
    assert case.run(monkeypatch, out).status == 0
    lay(drawn.root / "more.jpg", encoded(30))
    assert status(monkeypatch, out).status == 0  # it is not in the list
    drawn.add("99\t1\tmore.jpg")
    said = status(monkeypatch, out)
    assert (said.status, LIST in said.said) == (1, False)
    dry = case.run(monkeypatch, out, "--dry-run")
    assert (dry.status, "0 of 9 images" in dry.said) == (0, True), dry.said
    assert case.run(monkeypatch, out).status == 0
    assert (status(monkeypatch, out).status, status(monkeypatch, out).said.count(LIST)) == (0, 1)


def test_a_list_of_which_nothing_is_kept_is_read_by_all_and_kept_by_the_next_run(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = of_list(tmp_path / "in")
    assert case.run(monkeypatch, out).status == 0
    for path in paths.sources(out).glob("list-*"):
        path.unlink()  # as an earlier version leaves it
    case.image.write_bytes(case.image.read_bytes() + b"\0")
    said = status(monkeypatch, out)
    assert (said.status, LIST in said.said) == (1, False)
    assert not list(paths.sources(out).glob("list-*"))
    assert case.run(monkeypatch, out).status == 0
    assert len(list(paths.sources(out).glob("list-*"))) == 1
    assert inprocess.verify(monkeypatch, out).status == 0


def test_what_is_kept_of_a_list_is_no_damage_and_is_noticed_if_it_is(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = of_list(tmp_path / "in")
    assert case.run(monkeypatch, out).status == 0
    (path,) = paths.sources(out).glob("list-*")
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    run = inprocess.verify(monkeypatch, out)
    assert (run.status, str(path) in run.said) == (1, True)
    assert status(monkeypatch, out).status == 0
    assert "already complete" in case.run(monkeypatch, out).said
    assert inprocess.verify(monkeypatch, out).status == 0


def test_luigis_own_command_looks_at_each_image_and_keeps_what_it_has_found(
    tmp_path: Path, out: Path
) -> None:
    drawn = draw_list(tmp_path / "in", 8)
    root_of_lists: Any = PrepareImageList
    root = root_of_lists(images=str(drawn.path), root=str(drawn.root), out=str(out))
    inprocess.forget()
    looked_at.cache_clear()
    inprocess.build([root.requires()])
    assert root.complete()
    assert len(list(paths.sources(out).glob("list-*"))) == 1
    image = drawn.root / drawn.names[0]
    image.write_bytes(image.read_bytes() + b"\0")
    looked_at.cache_clear()
    resolve.cache_clear()
    assert not root.complete()
