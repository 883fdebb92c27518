"""What is kept of shards that were read: the catalog of each split, and how the shards looked.

So nobody reads them a second time who asks what a job means, as long as they look as they did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import structs

from pipeline import digests, manifest, paths, storage
from pipeline.catalog import class_folders, objects
from pipeline.catalog import table as catalog
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.catalog.classes import NO_LABELS, LabelTable
from pipeline.catalog.label_widths import LabelWidths
from pipeline.documents.sources import RecordedClasses, RecordedShards, RecordedWidths
from pipeline.errors import ShardmillError
from pipeline.manifest import Document
from pipeline.sources import glance, read_files
from pipeline.sources.glance import Glance
from pipeline.sources.shardset import object_classes
from pipeline.sources.shardset.labelling import HASH, ROWS, SIZED_ROWS, Labelled
from pipeline.sources.shardset.object_classes import Kind
from pipeline.storage import Location, with_suffix
from pipeline.storage import table_bounds as tablebounds

_NOT_KEPT: Final = frozenset({"rows", "classes", "read_files"})
"""Fields of `Found` that stand in no document, or otherwise."""
_DECIDING: Final = (
    *("key", "filename", "class_index", "class_id", "class_text"),
    *("labels", "id", "line", "objects", HASH),
)
"""Columns that decide which images there are, with which labels."""
_LONG: Final = 75  # bytes of a part of a key; no shorter one can be cut in the name of a sample


@dataclass(frozen=True, eq=False, kw_only=True)
class Found:
    """What was found in the shards of a split.

    Attributes:
        images: how many there are.
        bytes: of all of them.
        digest: of what decides which images there are, with which labels.
        places: digest of where they lie.
        suffix: what the first key ends in.
        long_keys: the keys so long that the name of a sample may not hold them.
        classes: classes that words or folders name; None: numbers, or a label table.
        names: the names of classes by their numbers, where all are known; else empty.
        counts: images of each class folder; empty: some image has no class.
        widths: how many labels images have; None: a class each.
        objects: how many objects there are.
        described: whether some have a class of their own, or flags.
        kinds: the classes of objects, see `object_classes`.
        table: of an output, the id and the words of each class of its label table; empty: it has
            none. None: it is no output, or an earlier version has kept what was found.
        notes: what is to be said at the end.
        packed: name and MD5 of each shard that is packed as a whole.
        read_files: names of what was kept of single shards, and is of no use any more.
        rows: a table of `ROWS` or `SIZED_ROWS`; None: it lies beside the document.
    """

    images: int
    bytes: int
    digest: str
    places: str
    suffix: str
    long_keys: tuple[str, ...] = ()
    classes: FolderClasses | None = None
    names: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    widths: LabelWidths | None = None
    objects: int = 0
    described: bool = False
    kinds: tuple[Kind, ...] = ()
    table: tuple[tuple[str, str], ...] | None = None
    notes: tuple[str, ...] = ()
    packed: tuple[tuple[str, str], ...] = ()
    read_files: tuple[str, ...] = ()
    rows: pa.Table | None = None


def found(
    labelled: Labelled,
    notes: Sequence[str],
    packed: Mapping[str, str],
    names: tuple[str, ...] = (),
) -> Found:
    """Return what was found.

    Args:
        labelled: the catalog of one or more images.
        notes: what is to be said at the end.
        packed: the MD5 of each shard that is packed as a whole, by its name.
        names: of all classes by their numbers, as the shards say them; empty: they do not.
    """
    rows = labelled.rows
    return Found(
        images=rows.num_rows,
        bytes=pc.sum(rows["length"]).as_py(),
        digest=_digest(rows, _DECIDING),
        places=_digest(rows, ("source", "offset")),
        suffix=storage.extension(rows["key"][0].as_py()),
        long_keys=_long_keys(rows["key"]),
        classes=labelled.classes,
        names=labelled.classes.table.names if labelled.classes else _names(rows, names),
        counts=_class_counts(rows),
        widths=_widths(rows),
        objects=objects.count(rows["objects"]),
        described=_is_described(rows),
        kinds=object_classes.of_rows(rows),
        notes=(*notes, *_remarks(labelled)),
        packed=tuple(sorted(packed.items())),
        rows=rows,
    )


def _long_keys(keys: pa.ChunkedArray) -> tuple[str, ...]:
    """Return the keys that are long, or have a long part."""
    has_long_part = pc.match_substring_regex(keys.cast(pa.binary()), rf"[^/]{{{_LONG},}}")
    is_long = pc.or_(has_long_part, pc.greater(pc.binary_length(keys), 1000))
    return tuple(keys.filter(is_long).to_pylist())


def _class_counts(rows: pa.Table) -> tuple[tuple[str, int], ...]:
    """Return how many images each class has, by its folder; none where one image has no class."""
    folders = class_folders.names(rows)
    if pc.any(pc.equal(folders, "")).as_py():
        return ()
    counts = folders.value_counts().to_pylist()
    return tuple(sorted((each["values"], each["counts"]) for each in counts))


def _is_described(rows: pa.Table) -> bool:
    """Whether an object has a class of its own, or a flag."""
    classes = objects.class_indexes(rows["objects"])
    has_own = any(index >= 0 for each in classes for index in each)
    return has_own or any(map(any, objects.flags(rows["objects"])))


def _remarks(labelled: Labelled) -> Iterator[str]:
    """Yield what is to be said of the names and classes of images."""
    if labelled.repeated:
        what = "images with a name that is not theirs alone"
        yield f"{what}: {labelled.repeated:,}; their number stands behind it"
    if bare := _without_a_class(labelled.rows):
        yield f"images without a class: {bare:,} of {labelled.rows.num_rows:,}"


def save(out: Location, split: str, asked: str, known: Found, look: Glance) -> None:
    """Keep what was found, in the place of what was found before, and no more of single shards."""
    if known.rows is None:
        read_files.remove(out, known.read_files)
        return
    document: Document = {
        name: value for name, value in asdict(known).items() if name not in _NOT_KEPT
    }
    if not known.packed:
        del document["packed"]
    if known.table is None:
        del document["table"]
    if known.classes is not None:
        said = asdict(known.classes)
        del said["table"]
        document["classes"] = {**said, "names": known.classes.table.names}
    document["look"] = look.to_json(asked)
    path = paths.shards_record(out, split, asked)
    with storage.StagedFile(with_suffix(path, ".parquet")) as staged:
        with (
            staged.stream() as stream,
            pq.ParquetWriter(stream, known.rows.schema, compression="zstd") as writer,
        ):
            writer.write_table(known.rows, row_group_size=catalog.ROWS)
        manifest.publish([staged], path, out, document)
    if look.holds():  # else all is read again by whoever asks, which is quick as long as these stay
        read_files.remove(out, known.read_files)


def load(out: Location, split: str, asked: str) -> tuple[Found, Glance] | None:
    """Return what was found last, and how the shards looked then; None: it is not known."""
    path = paths.shards_record(out, split, asked)
    try:
        saved = manifest.read_complete(path, out, RecordedShards)
    except ShardmillError:  # such as one that another user has made
        return None
    if saved is None or saved.look.asked != asked or saved.kinds is None:
        return None
    known = Found(
        images=saved.images,
        bytes=saved.bytes,
        digest=saved.digest,
        places=saved.places,
        suffix=saved.suffix,
        long_keys=saved.long_keys,
        classes=_classes(saved.classes),
        names=saved.names,
        counts=saved.counts,
        widths=_known_widths(saved.widths),
        objects=saved.objects,
        described=saved.described,
        kinds=saved.kinds,
        table=saved.table,
        notes=saved.notes,
        packed=saved.packed,
    )
    return known, Glance.recorded(saved.look)


def forget(out: Location, split: str, asked: str) -> None:
    """Forget what was found; the table stays for those who are reading it."""
    storage.remove(out, paths.shards_record(out, split, asked))


def rows(out: Location, split: str, asked: str, known: Found) -> Iterator[pa.Table]:
    """Yield what was found, tables of `ROWS` or `SIZED_ROWS`.

    Raises:
        OutputDamaged: what was kept is not as it was written.
    """
    if known.rows is not None:
        for first in range(0, known.rows.num_rows, catalog.ROWS):
            yield known.rows.slice(first, catalog.ROWS)
        return
    path = with_suffix(paths.shards_record(out, split, asked), ".parquet")
    with storage.open_arrow(path) as file:
        table = pq.ParquetFile(file)
        tablebounds.check_groups(table, file)
        for group in range(table.num_row_groups):
            part = table.read_row_group(group, use_threads=False)
            schema = SIZED_ROWS if {*catalog.SIZES.names} <= {*part.column_names} else ROWS
            part = part.cast(schema)
            storage.check_table(part, schema)
            yield part


def label_table(every: Iterable[Found], path: Location) -> LabelTable | None:
    """Return the label table of an output as it was when all splits were read; None: not kept.

    The files that it was made of lie at paths without a digest, and may be others by now.
    """
    said = {found.table for found in every}
    classes = said.pop() if len(said) == 1 else None
    if not classes:
        return None if classes is None else NO_LABELS
    ids, words = zip(*classes, strict=True)
    return LabelTable(Path(str(path)), ids, words, {})


def asked(options: Document) -> str:
    """Return a digest of the options that decide how shards are read."""
    return glance.asked({**options, "of": "shards"})


def _classes(saved: RecordedClasses | None) -> FolderClasses | None:
    if saved is None:
        return None
    return FolderClasses(
        ClassTable(saved.names),
        pinned=saved.pinned,
        absent=saved.absent,
        bare=saved.bare,
        alike=saved.alike,
    )


def _known_widths(saved: RecordedWidths | None) -> LabelWidths | None:
    return None if saved is None else LabelWidths(**structs.asdict(saved))


def _without_a_class(rows: pa.Table) -> int:
    """Return how many images have no class, no other label, and no object."""
    bare = pc.less(rows["class_index"], 0)
    for name in ("labels", "objects"):
        count = pc.fill_null(pc.list_value_length(rows[name]), 0)
        bare = pc.and_(bare, pc.equal(count, 0))
    return pc.sum(bare).as_py() or 0


def _names(table: pa.Table, said: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of the classes from 0 to the last, where each has some; else none.

    Args:
        table: the catalog.
        said: of all classes, also of those without an image; empty: nobody says them.
    """
    columns = table.select(["class_index", "class_text"])
    known: dict[int, str] = {}
    for row in columns.group_by(columns.column_names).aggregate([]).to_pylist():
        known[row["class_index"]] = row["class_text"]
    known.pop(-1, None)
    if not all(said[index : index + 1] == (text,) for index, text in known.items()):
        said = ()
    names = said or tuple(known.get(index, "") for index in range(len(known)))
    return names if all(names) and len(set(names)) == len(names) else ()


def _widths(table: pa.Table) -> LabelWidths | None:
    labels = pa.concat_arrays(table["labels"].chunks)
    if not len(labels.flatten()):
        return None
    counts = pc.list_value_length(labels).to_numpy()
    if counts.min() == 0:  # some have a class alone
        return LabelWidths(1, int(counts.max()), 0, int(np.argmax(counts)) + 1, detection=False)
    return LabelWidths.of(labels, np.arange(1, len(labels) + 1))


def _digest(table: pa.Table, names: Sequence[str]) -> str:
    """Return a digest of the values of some columns, however they are cut into chunks."""
    content = hashlib.sha256()
    for name in names:
        content.update(f"{name}\n".encode())
        for first in range(0, table.num_rows, catalog.ROWS):
            values = table[name].slice(first, catalog.ROWS).to_pylist()
            content.update(repr(values).encode())
    return digests.digest({"rows": content.hexdigest()})
