"""What is kept of a list, folder or tree is what it is, until it looks otherwise."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from drawnlists import draw_list, encoded, lay
from drawntrees import draw_tree
from filetimes import LONG_AGO, age

from pipeline import manifest, paths, storage
from pipeline.documents.sources import RecordedTree
from pipeline.errors import TransientError, UsageError
from pipeline.formats.registry import is_cut
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.sources import glance, registry
from pipeline.sources.source import Source


@dataclass(frozen=True)
class Case:
    """A job whose images are files of their own, and where they lie."""

    job: Job
    folder: Path

    @property
    def out(self) -> Path:
        return Path(self.job.out)

    def read(self) -> dict[str, Source]:
        return registry.data_set(self.job).read(registry.split_names(self.job), is_cut)

    def recorded(self) -> dict[str, Source] | None:
        return registry.data_set(self.job).recorded(registry.split_names(self.job))

    def image(self) -> Path:
        return next(path for path in sorted(self.folder.rglob("*.[jJ][pP]*")) if path.is_file())


def of_tree(folder: Path) -> Case:
    drawn = draw_tree(folder)
    return Case(drawn.job(folder / "out"), drawn.tree)


def of_list(folder: Path, **options: object) -> Case:
    drawn = draw_list(folder, 10)
    given: dict[str, object] = {"images": str(drawn.path), "root": str(drawn.root), "boxes": False}
    return Case(Job("", str(folder / "out"), "", **(given | options)), drawn.root)  # type: ignore[arg-type]


def of_repeats(folder: Path) -> Case:
    case = of_list(folder)
    with Path(case.job.images).open("a") as file:
        file.write("77\t1\tcats/0.jpg\n")
    return case


def of_folder(folder: Path) -> Case:
    root = draw_list(folder, 10).root
    lay(root / "cats" / "notes.txt", b"none")
    lay(root / "bare" / ".hidden", b"none")
    return of_images(root, folder)


def of_splits(folder: Path) -> Case:
    for number in range(8):
        split, wnid = ("train", "val")[number % 2], f"class{number // 2 % 2}"
        lay(folder / "root" / split / wnid / f"{number}.jpg", encoded(number))
    return of_images(folder / "root", folder)


def of_images(root: Path, folder: Path) -> Case:
    given = {"images": str(root), "root": str(root), "recursive": True, "boxes": False}
    return Case(Job("", str(folder / "out"), "", **given), root)  # type: ignore[arg-type]


CASES: dict[str, Callable[[Path], Case]] = {
    "tree": of_tree,
    "list": of_list,
    "repeats": of_repeats,
    "folder": of_folder,
    "splits": of_splits,
}
OF_FOLDERS = ("tree", "folder", "splits")


def drawn(name: str, folder: Path) -> Case:
    """Return a case whose files are old, and of which everything is kept."""
    case = CASES[name](folder / "in")
    age(folder)
    keep(case)
    return case


def keep(case: Case) -> None:
    for source in case.read().values():
        source.remember()


def told(source: Source) -> list[object]:
    """Return what is known of a source without its rows."""
    boxes = source.boxes and (source.boxes.digest, source.boxes.path, source.boxes.content)
    return [
        *(source.identity(), source.places(), source.made_of(), source.made_of_places()),
        *(source.described(), source.expected, source.shards, source.defaults, source.size()),
        *(list(source.closing()), source.unused(), source.share(), source.folder_classes),
        *(source.label_widths, source.tree, source.unpacked, source.whole_files, boxes),
        source.passed_over(Path("nowhere")),
    ]


@pytest.mark.parametrize("name", CASES)
def test_it_says_all_that_reading_says(name: str, tmp_path: Path) -> None:
    case = drawn(name, tmp_path)
    read, recorded = case.read(), case.recorded()
    assert recorded is not None
    assert read.keys() == recorded.keys()
    for split, source in read.items():
        known = recorded[split]
        assert told(known) == told(source)
        assert (bool(known.glanced_at), source.glanced_at) == (True, "")
        rows = [pa.concat_tables(each.rows(case.out, None)) for each in (known, source)]
        assert rows[0].num_rows
        assert rows[0].equals(rows[1])
        with pytest.raises(LookupError, match="nobody has looked"):
            known.stamps()


@pytest.mark.parametrize("name", CASES)
def test_it_is_not_written_again_for_nothing(name: str, tmp_path: Path) -> None:
    case = drawn(name, tmp_path)
    before = {path: path.stat().st_ino for path in paths.sources(case.out).iterdir()}
    keep(case)
    for source in (case.recorded() or {}).values():
        source.remember()
    assert {path: path.stat().st_ino for path in paths.sources(case.out).iterdir()} == before


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_known_of_what_nobody_has_read(name: str, tmp_path: Path) -> None:
    assert CASES[name](tmp_path).recorded() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda image: lay(image.with_name("another.JPEG"), encoded(50)),
        lambda image: image.unlink(),
        lambda image: image.rename(image.with_name("renamed.JPEG")),
        lambda image: shutil.copytree(image.parent, image.parent.with_name("n00000009")),
    ],
    ids=["added", "removed", "renamed", "class"],
)
@pytest.mark.parametrize("name", OF_FOLDERS)
def test_another_file_in_a_folder_is_noticed(
    name: str, change: Callable[[Path], object], tmp_path: Path
) -> None:
    case = drawn(name, tmp_path)
    change(case.image())
    assert case.recorded() is None


@pytest.mark.parametrize("name", ["list", "repeats"])
@pytest.mark.parametrize("old", [True, False])
def test_another_list_is_noticed(name: str, old: bool, tmp_path: Path) -> None:
    case = drawn(name, tmp_path)
    path = Path(case.job.images)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\t1.0", b"\t2.0", 1))  # of the same size
    os.utime(path, (LONG_AGO + 9, LONG_AGO + 9) if old else None)
    assert case.recorded() is None
    path.write_bytes(content)  # its time is another now, and its content is not
    assert case.recorded() is not None


def test_a_list_that_was_written_a_moment_ago_is_known_by_its_content(tmp_path: Path) -> None:
    case = of_list(tmp_path)
    keep(case)
    assert case.recorded() is not None
    path = Path(case.job.images)
    info = path.stat()
    path.write_bytes(path.read_bytes().replace(b"\t1.0", b"\t2.0", 1))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert case.recorded() is None


def test_a_folder_that_was_changed_a_moment_ago_is_read_again(tmp_path: Path) -> None:
    case = of_folder(tmp_path)
    keep(case)
    assert case.recorded() is None


@pytest.mark.parametrize("name", CASES)
def test_an_image_that_grew_is_seen_by_a_look_at_each_and_by_the_rows(
    name: str, tmp_path: Path
) -> None:
    case = drawn(name, tmp_path)
    image = case.image()
    image.write_bytes(image.read_bytes() + b"\0")
    recorded = case.recorded()
    assert recorded is not None
    read = case.read()
    grown = [split for split in read if read[split].identity() != recorded[split].identity()]
    assert len(grown) == 1
    with pytest.raises(TransientError, match="was changed meanwhile"):
        list(recorded[grown[0]].rows(case.out, None))
    assert case.recorded() is None  # what is not right any more is not kept


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tree", {"transfer": "link", "steps": ("extract",)}),
        ("tree", {"boxes": False}),
        ("list", {"recursive": True}),
        ("list", {"root": "/usr"}),
        ("folder", {"extensions": (".png",)}),
        ("splits", {"recursive": False}),
    ],
)
def test_what_other_options_have_found_is_not_taken(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    case = drawn(name, tmp_path)
    other = Case(replace(case.job, **options), case.folder)  # type: ignore[arg-type]
    assert other.recorded() is None
    assert case.recorded() is not None


def test_the_content_of_a_table_of_classes_counts(tmp_path: Path) -> None:
    plain = of_folder(tmp_path / "in")
    names = tmp_path / "names.txt"
    case = Case(replace(plain.job, classes=str(names)), plain.folder)
    names.write_text("Vögel\ncats\nsmall dogs\n")
    age(tmp_path)
    keep(case)
    assert case.recorded() is not None
    names.write_text("cats\nVögel\nsmall dogs\n")
    assert case.recorded() is None


def test_splits_of_which_only_one_was_kept_are_read(tmp_path: Path) -> None:
    case = drawn("splits", tmp_path)
    lay(case.folder / "train" / "class7" / "9.jpg", encoded(9))
    age(tmp_path)
    case.read()["train"].remember()  # as if the command had been killed then
    assert case.recorded() is None


def test_a_tree_that_its_own_job_moves_is_listed_by_every_command(tmp_path: Path) -> None:
    plain = of_tree(tmp_path / "in")
    case = Case(replace(plain.job, transfer="move", steps=("extract",)), plain.folder)
    age(tmp_path)
    keep(case)
    assert case.recorded() is None


def test_what_an_earlier_version_has_kept_of_a_tree_is_read_when_it_is_gone(
    tmp_path: Path,
) -> None:
    case = drawn("tree", tmp_path)
    (before,) = case.read().values()
    (path,) = paths.sources(case.out).glob("train-*.json")
    document = {**manifest.load(path), "look": None}
    del document["look"], document["annotations"]
    manifest.publish_alone(path, document)
    assert manifest.read(path, RecordedTree).look is None
    assert case.recorded() is None
    shutil.rmtree(case.folder)
    (gone,) = case.read().values()
    assert (gone.identity(), gone.places()) == (before.identity(), before.places())
    assert gone.gone() is not None


def test_a_list_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    case = drawn("list", tmp_path)
    Path(case.job.images).unlink()
    with pytest.raises(UsageError, match="there is no such list"):
        case.recorded()


@pytest.mark.parametrize("name", ["list", "tree"])
def test_what_cannot_be_read_is_not_known(name: str, tmp_path: Path) -> None:
    case = drawn(name, tmp_path)
    for path in paths.sources(case.out).glob("*-*.json"):
        path.write_bytes(path.read_bytes()[:-9])
    assert case.recorded() is None
    keep(case)
    assert case.recorded() is not None


def test_names_that_no_document_can_hold_are_read_by_every_command(tmp_path: Path) -> None:
    case = of_folder(tmp_path / "in")
    (case.folder / os.fsdecode(b"b\xe4r")).mkdir()
    age(tmp_path)
    keep(case)
    assert case.recorded() is None
    assert not list(paths.sources(case.out).glob("*.json"))


def test_too_many_folders_are_read_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance, "MOST_FOLDERS", 2)
    assert drawn("folder", tmp_path).recorded() is None


@pytest.mark.parametrize("name", CASES)
def test_a_job_is_known_without_a_look_at_any_image(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = drawn(name, tmp_path)
    digest = resolve.reading(case.job).digest
    resolve.cache_clear()

    def refuse(*_: object) -> object:
        raise AssertionError("an image was looked at")

    monkeypatch.setattr(storage, "file_stamps", refuse)
    known = resolve(case.job)
    assert known.digest == digest
    assert known.glanced_at == {"the list" if name in {"list", "repeats"} else "the folders"}
