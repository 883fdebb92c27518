"""Class folders of images that may show several classes: ``class_folders/<split>/<class>/<image>``.

A class folder is named after the class in words, and its id: ``handgun_m0gxl3`` is of
``/m/0gxl3``, Handgun. An image is in the folder of each class that it shows, by one more name (a
hard link) where the file system can have one, and else as a copy. Readers such as torchvision's
``ImageFolder`` take the folder of a split. An image that shows none of the classes is in no folder.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline import digests, storage
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import LabelTable
from pipeline.catalog.details import Details
from pipeline.documents import small_files as listings
from pipeline.exports import small_files
from pipeline.exports.base import (
    ANY_PATH,
    Export,
    ExportPlan,
    ExportWork,
    Need,
    SetView,
    SplitView,
    What,
)
from pipeline.exports.described_images import Following, other_images
from pipeline.exports.small_files import OtherName
from pipeline.manifest import Document
from pipeline.quantities import counted, verb
from pipeline.shards.read import AHEAD, read_member
from pipeline.storage import StagedFile, below, on_this_machine

VERSION: Final = 1
_FOLDER: Final = "class_folders"
_KIND: Final = "classtree"
_CLASSES: Final = 128
"""Class folders that are filled together: the files of each get their names by few syncs."""
_UNSAFE: Final = re.compile(r"[^a-z0-9]+")
_NO_ID: Final = re.compile(r"[^A-Za-z0-9_-]+")


class LinkedClasses(Export):
    """A folder for each class, with the images that show it, of each split."""

    name = "class-tree"
    of_images = True
    parts = ("images",)
    on_a_disk = "it is one more name for each image in the folder of its class"

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield that images have no classes, or one each: then their class folders are others."""
        if not any(split.details for split in data.splits.values()):
            yield (
                f"--export {self.name} is of images that may show several classes: leave it out,"
                " and say --extract for class folders of images that have one class"
            )

    def files(self, folder: str) -> tuple[str, ...]:
        """Return nothing: all that it makes are small files."""
        del folder
        return ()

    def small_files(self, folder: str) -> tuple[str, ...]:
        """Return the name of an image in a class folder."""
        return (f"{_FOLDER}/{folder}/{ANY_PATH}",)

    def file_of_image(self, folder: str, name: str) -> str:
        """Return the file of an image, `ANY_PATH` in the place of its class folder."""
        return f"{_FOLDER}/{folder}/{ANY_PATH}/{_flat(name)}"

    def in_any_class(self, folder: str, file: str, class_ids: Iterable[str]) -> str:
        """Return a file as `file_of_image` does; "": it is in the folder of none of some classes.

        A class is known by its id, whatever it is in words.
        """
        name = file.removeprefix(f"{_FOLDER}/{folder}/")
        of_class, _, name = name.partition("/")
        ids = map(_safe, class_ids)
        named = any(of_class == each or of_class.endswith(f"_{each}") for each in ids if each)
        return self.file_of_image(folder, name) if named else ""

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the class folders of each split."""
        for name, split in data.splits.items():
            if split.details is None:
                continue
            said = {"images": split.images_digest, "details": split.details.digest}
            yield ExportPlan(
                kind=_KIND,
                files=(listings.listing(data.out, f"{_KIND}-{name}"),),
                digest=digests.digest(
                    {**said, "folders": folder_names(data.table), "version": VERSION}
                ),
                split=name,
                folder=below(data.out, _FOLDER, name),
                needs=(Need(What.CATALOG, name), Need(What.LEFT_OUT, name)),
                made_of={"version of its form": str(VERSION)},
            )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Fill the class folders of a split."""
        split, out = work.data.splits[work.plan.split], work.data.out
        folder = work.plan.folder or below(out, _FOLDER, split.name)
        tally = _Tally()
        with work.counter(split.images, "images") as progress:
            files = _files(work, split, folder_names(work.data.table), tally, progress)
            count = small_files.fill(out, folder, staged[0], files)
        return {"closing": tally.closing(split.name, count)}


def folder_names(table: LabelTable) -> list[str]:
    """Return the folder of each class, by its index: its words in lower case, and its id."""
    return [
        folder_name(text, class_id)
        for class_id, text in zip(table.class_ids, table.words, strict=True)
    ]


def folder_name(text: str, class_id: str) -> str:
    """Return the folder of a class: lower-case letters, digits and ``_``, and then its id.

    Args:
        text: the class in words; letters lose their accents.
        class_id: its id; what no file name should hold, such as a slash, is left out.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = _UNSAFE.sub("_", plain).strip("_")
    return "_".join(filter(None, (words, _safe(class_id))))


def _safe(class_id: str) -> str:
    return _NO_ID.sub("", class_id)


def _flat(name: str) -> str:
    """Return what an image is called in its class folders."""
    return name.replace("/", "_")


class _Shown(NamedTuple):
    """An image that is there: where it lies, and the indexes of the classes that it shows."""

    key: str
    filename: str
    where: tuple[str, int, int]
    known: bytes | None
    classes: Sequence[int]


@dataclass
class _Tally:
    """How many images are in class folders, and how many are in none."""

    images: int = 0
    absent: int = 0
    without_class: int = 0
    classes: int = 0

    def closing(self, split: str, files: int) -> list[str]:
        """Return for people what was made."""
        folders = counted(self.classes, "class folder")
        images = counted(self.images, "image")
        lines = [f"class folders, {split}: {counted(files, 'file')} of {images} in {folders}."]
        if self.absent:
            are = verb(self.absent, "is", "are")
            lines.append(f"{counted(self.absent, 'image')} {are} left out, as in the shards.")
        if self.without_class:
            which = f"{counted(self.without_class, 'image')} of none of the classes"
            lines.append(f"{which} {verb(self.without_class, 'is', 'are')} in no class folder.")
        return lines


def _files(
    work: ExportWork,
    split: SplitView,
    folders: Sequence[str],
    tally: _Tally,
    progress: Callable[[int], None],
) -> Iterator[tuple[str, OtherName]]:
    """Yield the files of all class folders, some classes at a time; nothing of it is held."""
    details = split.details
    if details is None:
        return
    done, last = 0, len(folders)
    with work.sources() as sources:
        for first in range(0, last, _CLASSES):
            chosen = range(first, min(first + _CLASSES, last))
            seen = set[int]()
            counts = tally if first == 0 else _Tally()
            for image in _announced(_shown(split, details, work.left_out, counts), sources, chosen):
                data, content = read_member(
                    sources, image.key, image.where, image.known, whole_file=True
                )
                path = on_this_machine(sources.path(image.where[0]))
                other = OtherName(path, data, content.hex())
                of_chosen = [each for each in image.classes if each in chosen]
                seen.update(of_chosen)
                name = _flat(image.filename)
                yield from ((f"{folders[each]}/{name}", other) for each in of_chosen)
                done += image.classes[0] in chosen  # once, where it is read for several classes
                progress(done)
            tally.classes += len(seen)


def _announced(
    images: Iterator[_Shown], sources: storage.Sources, chosen: range
) -> Iterator[_Shown]:
    """Yield the images that show a chosen class; the kernel is asked for the next ones."""
    waiting = list[_Shown]()
    for image in images:
        if any(each in chosen for each in image.classes):
            sources.will_need(*image.where)
            waiting.append(image)
        if len(waiting) == AHEAD:
            yield from waiting
            waiting = []
    yield from waiting


def _shown(
    split: SplitView, details: Details, left_out: frozenset[str], tally: _Tally
) -> Iterator[_Shown]:
    """Yield the images of a split that are there and show a class, in the order of the catalog.

    Raises:
        OutputDamaged: what the source says is of other images than the catalog has.
    """
    said, contents = Following(details.images()), split.known_contents()
    for rows in catalog.read(split.catalog):
        of_source = said.take(rows["key"].combine_chunks())
        if not of_source["key"].combine_chunks().equals(rows["key"].combine_chunks()):
            raise other_images(split)
        names = ("key", "filename", "source", "offset", "length")
        columns = [rows[name].to_pylist() for name in names]
        known = contents.at(columns[2], columns[3])
        every = zip(*columns, known, of_source["classes"].to_pylist(), strict=True)
        for key, filename, source, offset, length, content, classes in every:
            if length < 0 or key in left_out:
                tally.absent += 1
            elif not classes:
                tally.without_class += 1
            else:
                tally.images += 1
                yield _Shown(key, filename, (source, offset, length), content, classes)
    if not said.ended:
        raise other_images(split)
