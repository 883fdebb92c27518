"""The ``metadata.parquet`` of a tree of class folders, as Hugging Face's ``imagefolder`` reads it.

Source: datasets 5.2.0, packaged_modules/folder_based_builder/folder_based_builder.py. It looks for
a file of this name beside the images of each split, makes an image of each ``file_name``, and then
asks folders for no labels. Columns, null where nothing is known::

    file_name    string   of the image, relative to the file: <class>/<name>
    label        int64    0-based place of its class in the label table
    wnid         string   the id of its class
    ilsvrc_id    int32    its class's number in the development kit, from 1
    words        string   its class in words
    boxes        list<struct<xmin, ymin, xmax, ymax: float>>
                          of each object, as fractions of the image's width and height

`label` is a ``ClassLabel`` whose names are the ids of the classes: it says so under ``huggingface``
in the metadata of the schema. Those are all of the label table, so that a class keeps its number
where few are chosen. Rows are in the order of the catalog. What facts tell is left out: it is of
the images in shards, which may have been resized.

Of an image list or folder the columns are `file_name` and `label`, which is the label of the list
or of the class folder, `id` and `class_text` (see `columns_of_lists`).

torchvision's ``ImageFolder`` takes no notice of the file: it looks for images in folders alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from pipeline import digests, storage
from pipeline.catalog import class_folders
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import LabelTable
from pipeline.exports import columns_of_lists, parquet
from pipeline.exports.base import Export, ExportPlan, ExportWork, Need, SetView, What
from pipeline.exports.row_groups import class_label, grouped, write_groups
from pipeline.manifest import Document
from pipeline.paths import METADATA

VERSION = 1

_COLUMNS = pa.schema(
    [
        ("file_name", pa.string()),
        ("label", pa.int64()),
        ("wnid", pa.string()),
        ("ilsvrc_id", pa.int32()),
        ("words", pa.string()),
        ("boxes", pa.list_(parquet.BOX)),
    ]
)


_OF_LIST = pa.schema(
    [
        ("file_name", pa.string()),
        ("label", pa.int64()),
        *(pair for pair in columns_of_lists.COLUMNS if pair[0] in {"id", "class_text"}),
    ]
)


def write(
    staged: storage.StagedFile,
    rows: Iterable[pa.Table],
    table: LabelTable,
    class_names: Sequence[str] | None = None,
) -> int:
    """Write the file of a split; the same arguments give the same bytes.

    Args:
        staged: the file.
        rows: of the split's catalog, as `catalog.read` yields them.
        table: the label table.
        class_names: of an image list or folder, see `SetView.class_names`; None: it is neither.

    Returns:
        The number of rows.

    Raises:
        ConfigError: the label table has a class number that is none.
    """
    if class_names is not None:
        columns = _OF_LIST.with_metadata(class_label("label", class_names))
        return write_groups(staged, columns, grouped(_parts_of_list(rows)))
    columns = _COLUMNS.with_metadata(class_label("label", table.class_ids))
    return write_groups(staged, columns, grouped(_parts(rows, table)))


def _parts(rows: Iterable[pa.Table], table: LabelTable) -> Iterator[pa.Table]:
    numbers = parquet.ilsvrc_ids(table)
    for part in rows:
        found = parquet.of_catalog(part, "", numbers)
        found["label"] = found.pop("class_id")
        yield pa.table(found)


def _parts_of_list(rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for part in rows:
        found = columns_of_lists.of_catalog(part)
        label, where = found[columns_of_lists.CLASS], class_folders.paths(part)
        yield pa.table(found | {"label": label, "file_name": where}).select(_OF_LIST.names)


class ImageFolder(Export):
    """The file that Hugging Face's imagefolder reads in a tree of class folders, of each split."""

    name = "imagefolder"
    needs_classes = True
    on_a_disk = "it lies beside a folder of every class, with a file for each image"

    def in_class_folders(self, data_dir: str) -> bool:
        """Return that it lies beside class folders."""
        del data_dir
        return True

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield that a class folder has the name of the file."""
        for split in data.with_classes.values():
            if METADATA in split.counts:
                yield (
                    f"--export {self.name} writes a file {METADATA} beside the class folders of"
                    f" {split.name}, and one of these has that name: rename that folder, or leave"
                    " the export out"
                )

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the file in a split's tree."""
        return (f"{folder}/{METADATA}",)

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield a file for each split that has classes."""
        for name, split in data.with_classes.items():
            alone = replace(data, splits={name: split})  # its file has the names of this split
            document = {"images": split.images_digest, **alone.of_labels, "version": VERSION}
            yield ExportPlan(
                kind=self.name,
                files=(data.out / split.folder / METADATA,),
                digest=digests.digest(document),
                split=name,
                needs=(Need(What.CATALOG, name), Need(What.ARTIFACT, f"tree-{name}")),
                made_of={"version of its form": str(VERSION), **alone.made_of_classes},
            )

    def write(self, work: ExportWork, staged: Sequence[storage.StagedFile]) -> Document:
        """Write the file; see `write`."""
        split = work.data.splits[work.plan.split]
        write(staged[0], catalog.read(split.catalog), work.data.table, split.class_names)
        return {}
