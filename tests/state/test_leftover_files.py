"""What killed exports of a file for each image have left half done goes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import inprocess
import pytest
from support import write_catalog

from pipeline import manifest, paths, storage
from pipeline.documents import small_files
from pipeline.documents.small_files import SmallFile
from pipeline.exports import small_files as filling
from pipeline.state import leftover_files

IMAGES = ("n01/a", "n01/b", "n02/c")
OTHER_DIGEST = "ba9876543210"
PATTERNS = {
    "voc": "voc/Annotations/train/{folder}{name}.xml",
    "yolo": "labels/train/{folder}{name}.txt",
    "classtree": "class_folders/train/any_{folder}{flat}.JPEG",
}


@pytest.fixture(params=PATTERNS)
def kind(request: pytest.FixtureRequest, out: Path) -> str:
    """An export of a file for each image, where a catalog has some images."""
    write_catalog(out, (f"{image}.JPEG" for image in IMAGES))
    return str(request.param)


def file_of(out: Path, kind: str, image: str) -> Path:
    folder, slash, name = image.rpartition("/")
    flat = image.replace("/", "_")
    return out / PATTERNS[kind].format(folder=folder + slash, name=name, flat=flat)


def write(out: Path, kind: str, images: Iterable[str]) -> list[Path]:
    """Write the files of some images."""
    files = [file_of(out, kind, image) for image in images]
    for file in files:
        storage.publish_bytes(file, b"half")
    return files


def mark(out: Path, kind: str, *, finished: bool, listed: Iterable[str] = ()) -> None:
    """Write the mark of an export of the split train, and its listing."""
    if finished:
        with storage.StagedFile(small_files.listing(out, f"{kind}-train")) as staged:
            names = (str(file_of(out, kind, image).relative_to(out)) for image in listed)
            small_files.write(staged, [SmallFile(name, 4, "0" * 32) for name in names])
            staged.rename()
    document = {"digest": "0123456789ab", "finished": finished, "files": []}
    storage.publish_bytes(paths.product_mark(out, f"{kind}-train"), manifest.serialise(document))


def going(out: Path) -> list[object]:
    items = [item for plan in leftover_files.plans(out).values() for item in plan.items]
    return [item.path for item in items if not item.is_folder]


def test_all_of_an_unfinished_one_goes(out: Path, kind: str) -> None:
    left = write(out, kind, IMAGES[:2])
    mark(out, kind, finished=False)
    assert going(out) == left


def test_of_a_finished_one_goes_what_its_listing_lacks(out: Path, kind: str) -> None:
    _, left, _ = write(out, kind, IMAGES)
    mark(out, kind, finished=True, listed=(IMAGES[0], IMAGES[2]))
    assert going(out) == [left]


def test_a_strangers_file_stays(out: Path, kind: str) -> None:
    (left,) = write(out, kind, IMAGES[:1])
    write(out, kind, ["mine", "n01/mine", "n03/a"])
    storage.publish_bytes(left.with_suffix(".notes"), b"mine")
    file_of(out, kind, IMAGES[1]).symlink_to(left)
    mark(out, kind, finished=False)
    assert going(out) == [left]


def test_images_of_an_earlier_catalog_are_known_and_of_another_split_not(
    out: Path, kind: str
) -> None:
    (left,) = write(out, kind, ["n09/z"])
    mark(out, kind, finished=False)
    assert going(out) == []
    write_catalog(out, ["n09/z.JPEG"], OTHER_DIGEST)
    catalog = paths.catalog(out, "train", OTHER_DIGEST)
    of_another = catalog.rename(paths.catalog(out, "validation", OTHER_DIGEST))
    assert going(out) == []
    of_another.rename(catalog)
    assert going(out) == [left]


def test_nothing_goes_where_nothing_was_begun_or_the_mark_or_listing_is_damaged(
    out: Path, kind: str
) -> None:
    write(out, kind, IMAGES)
    assert going(out) == []
    mark(out, kind, finished=True)
    small_files.listing(out, f"{kind}-train").write_bytes(b"no table")
    assert going(out) == []
    paths.product_mark(out, f"{kind}-train").write_bytes(b"{}")
    assert going(out) == []


def test_the_same_command_again_puts_its_own_in_the_place_of_what_was_left(
    out: Path, kind: str
) -> None:
    (left,) = write(out, kind, IMAGES[:1])
    with storage.StagedFile(small_files.listing(out, f"{kind}-train")) as staged:
        files = [(str(left.relative_to(left.parent.parent)), b"whole")]
        filling.fill(out, left.parent.parent, staged, iter(files))
        staged.rename()
    assert left.read_bytes() == b"whole"


def test_the_command_says_it_and_removes_it(
    out: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, mine = write(out, kind, [IMAGES[0], "mine"])
    mark(out, kind, finished=False)
    said = inprocess.shardmill(monkeypatch, "clean", out, "--dry-run").said
    assert f"left half done of {kind}-train: 1 file, 4 B, e.g. {left}\n" in said
    assert left.exists()
    assert inprocess.shardmill(monkeypatch, "clean", out, "--yes").status == 0
    assert (left.exists(), mine.exists()) == (False, True)


def test_a_folder_goes_with_all_that_is_in_it(
    out: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, other = write(out, kind, IMAGES)
    storage.publish_bytes(other.with_name("mine"), b"mine")
    mark(out, kind, finished=False)
    assert inprocess.shardmill(monkeypatch, "clean", out, "--yes").status == 0
    assert not first.parent.exists()
    assert [path.name for path in other.parent.iterdir()] == ["mine"]
