"""Removing: what was planned goes, nothing that has changed since, and nothing through a link."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import OutputConflict
from pipeline.storage.local.stamps import stamp_of


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder of somebody else's, with the same names as in the root."""
    return filled(tmp_path / "foreign")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return filled(tmp_path / "root")


def filled(root: Path) -> Path:
    (root / "a" / "b").mkdir(parents=True)
    for name in ("one", "a/two", "a/b/three", "a/b/mynotes.txt"):
        (root / name).write_text(name)
    return root


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def owns(path: Path) -> bool:
    return path.suffix == ""


def test_a_plan_is_what_goes_and_what_stays_is_said(root: Path) -> None:
    plan = storage.plan_folder(root, root / "a", owns)
    assert [item.path for item in plan.items] == [root / "a/b/three", root / "a/two"]
    assert plan.strangers == (root / "a/b/mynotes.txt",)
    assert (plan.files, plan.bytes) == (2, len("a/b/three") + len("a/two"))
    outcome = storage.carry_out(plan)
    assert (outcome.removed, outcome.kept) == (plan.items, ())
    assert files(root) == {"one", "a/b/mynotes.txt"}


def test_a_folder_goes_after_its_content_where_all_of_it_goes(root: Path) -> None:
    (root / "a/b/mynotes.txt").unlink()
    storage.carry_out(storage.plan_folder(root, root / "a", owns))
    assert not (root / "a").exists()


def rewritten(root: Path) -> None:
    (root / "a/two").write_text("another text")


def another_inode(root: Path) -> None:
    before = (root / "a/two").stat()
    (root / "new").write_text("a/two")
    os.replace(root / "new", root / "a/two")
    os.utime(root / "a/two", ns=(before.st_atime_ns, before.st_mtime_ns))


def appeared(root: Path) -> None:
    (root / "a/new").write_text("new")
    (root / "a/two").touch()


@pytest.mark.parametrize("change", [rewritten, another_inode, appeared])
def test_what_appeared_or_changed_after_the_plan_stays(
    root: Path, change: Callable[[Path], None]
) -> None:
    (root / "a/b/mynotes.txt").unlink()
    plan = storage.plan_folder(root, root / "a", owns)
    change(root)
    outcome = storage.carry_out(plan)
    assert root / "a/two" in {item.path for item in outcome.kept}
    assert files(root) == {"one", "a/two"} | ({"a/new"} if change is appeared else set())


@pytest.mark.parametrize("where", ["a", "a/b", "a/b/three"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_is_removed_through_a_link(
    root: Path, foreign: Path, where: str, when: str
) -> None:
    def swap() -> None:
        os.rename(root / where, root / "away")
        (root / where).symlink_to(foreign / where)

    before = files(foreign)
    if when == "before":
        swap()
    plan = storage.plan_folder(root, root / "a", owns)
    plan += storage.plan_files(root, [root / "a/b/three"])
    if when == "after":
        swap()
    outcome = storage.carry_out(plan)
    assert files(foreign) == before
    assert (root / where).is_symlink()
    assert when == "before" or root / where in {
        place for item in outcome.kept for place in (item.path, *Path(str(item.path)).parents)
    }


@pytest.mark.parametrize("path", ["link/b/three", "a/../../foreign/one", "../foreign/one"])
def test_a_single_removal_stays_below_its_root(root: Path, foreign: Path, path: str) -> None:
    (root / "link").symlink_to(foreign / "a")
    before = files(foreign)
    with pytest.raises(OutputConflict, match=r"link|outside") as refusal:
        storage.remove(root, root / path)
    assert refusal.value.remedy
    assert files(foreign) == before
    assert storage.plan_files(root, [root / path]).items == ()


def test_the_root_may_be_reached_by_a_link_and_a_link_itself_may_go(
    root: Path, foreign: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").symlink_to(root)
    (root / "current").symlink_to(foreign)
    storage.remove(tmp_path / "out", tmp_path / "out/current")
    storage.remove(tmp_path / "out", tmp_path / "out/one")
    storage.remove(tmp_path / "out", tmp_path / "out/absent/one")
    assert sorted(os.listdir(root)) == ["a"]
    assert files(foreign) == {"one", "a/two", "a/b/three", "a/b/mynotes.txt"}


def test_of_files_that_were_read_one_that_was_replaced_stays(root: Path) -> None:
    read = {name: stamp_of((root / "a/b" / name).stat()) for name in ("three", "mynotes.txt")}
    (root / "a/b/mynotes.txt").write_text("a newer image")
    assert storage.remove_read(root / "a/b", read | {"gone": 7}) == ["mynotes.txt"]
    assert files(root / "a/b") == {"mynotes.txt"}
    assert storage.remove_read(root / "absent", read) == []
