"""The shards of a finished output of this program, with the catalog that they were made by.

Labels, classes in words, boxes, keys and order are those of the catalog; only where the bytes of
an image lie is another place. Each image is compared with the hash that the facts have of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipeline import manifest, paths, storage
from pipeline.archives.passage import Progress
from pipeline.catalog import objects
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import NO_LABELS, LabelTable
from pipeline.documents.outputs import OutputManifest
from pipeline.errors import InputRefused, UsageError
from pipeline.shards import facts, foreign
from pipeline.sources.shardset import collecting, shard_files
from pipeline.sources.shardset.labelling import HASH, ROWS, SIZED_ROWS, Labelled
from pipeline.sources.shardset.own_classes import Named, OwnClasses
from pipeline.storage import Location

PLACES: Final = pa.schema([("offset", pa.int64()), ("length", pa.int64()), (HASH, pa.binary(16))])
"""Where the images of a shard lie, in its order."""
_TELL: Final = 1 << 8  # images


@dataclass(frozen=True)
class OwnSplit:
    """A split of a finished output.

    Attributes:
        out: the folder of the output.
        folder: of its shards, relative to that.
        document: its manifest.
    """

    out: Location
    folder: str
    document: OutputManifest

    @property
    def files(self) -> tuple[str, ...]:
        """The shards, relative to the output, in their order."""
        shards = self.document.shards
        return tuple(f"{self.folder}/{shard.file}" for shard in shards if shard.file is not None)

    @cached_property
    def catalog(self) -> Location:
        """The catalog that it was made by.

        Raises:
            InputRefused: it is gone.
        """
        path = paths.catalog(self.out, self.document.split, self.document.digests.catalog)
        if not self.document.digests.catalog or storage.stat(path) is None:
            raise InputRefused(
                "the catalog that the output was made by is not there",
                file=str(path),
                remedy=f"name the folder of its shards, {self.out / self.folder}: then all is read"
                " from them that they say",
            )
        return path

    @cached_property
    def _classes(self) -> OwnClasses:
        """Its classes, those without an image too."""
        return OwnClasses.of(self.out, self.document, catalog.read(self.catalog))

    @property
    def table(self) -> LabelTable:
        """The classes by their indexes, where each has an id; else no label table."""
        return self._classes.table

    @cached_property
    def describes_objects(self) -> bool:
        """Whether objects have flags, or classes of their own."""
        for rows in catalog.read(self.catalog):
            listed = rows["objects"]
            if any(map(any, objects.flags(listed))):
                return True
            if any(own >= 0 for each in objects.class_indexes(listed) for own in each):
                return True
        return False

    @property
    def has_offsets(self) -> bool:
        """Whether labels get the offset that is usual for a format.

        In a format without one, what is repaired tells: each source has both or neither.
        """
        usual, parameters = foreign.label_offset(self.document.format), self.document.parameters
        return parameters.label_offset > 0 if usual else parameters.repairs

    def read(self, places_of: Callable[[str], pa.Table]) -> Labelled:
        """Return its catalog, with the places of the images in its shards.

        Args:
            places_of: returns those of a shard, a table of `PLACES`, by its name.

        Raises:
            InputRefused: a shard is damaged, or has other images than the facts say.
        """
        places = pa.concat_tables(self._places(places_of))
        keys, parts = places["key"].combine_chunks(), list[pa.Table]()
        for rows in catalog.read(self.catalog, with_sizes=True):
            found = pc.index_in(rows["key"], value_set=keys)
            there = pc.is_valid(found)
            kept, at = rows.filter(there), found.filter(there)
            columns = {name: kept[name] for name in kept.column_names}
            for name in places.column_names[1:]:
                columns[name] = places[name].take(at)
            columns["objects"] = _without_masks(kept["objects"])
            sized = {*catalog.SIZES.names} <= {*kept.column_names}
            schema = SIZED_ROWS if sized else ROWS
            parts.append(pa.table({name: columns[name] for name in schema.names}).cast(schema))
        whole = pa.concat_tables(parts).unify_dictionaries()
        if whole.num_rows != len(keys):
            raise InputRefused(
                "the catalog has not all of the images in the shards",
                file=str(self.catalog),
                expected=f"{len(keys):,} images",
                found=f"{whole.num_rows:,}",
                remedy="run the command again that made the output",
            )
        return Labelled(whole, self._classes.folders)

    def _places(self, places_of: Callable[[str], pa.Table]) -> Iterator[pa.Table]:
        """Yield, shard by shard, key, place, size and hash of each image."""
        folder = storage.below(self.out, self.folder)
        for name, said in zip(self.files, facts.read_shards(paths.facts(folder)), strict=True):
            found = places_of(name)
            if [each.hex() for each in found[HASH].to_pylist()] != said[HASH].to_pylist():
                raise InputRefused(
                    "a shard has other images than its output says",
                    file=str(storage.below(self.out, name)),
                    expected=f"{said.num_rows:,} images of the hashes in {paths.facts(folder)}",
                    found=f"{found.num_rows:,} images, or others",
                    remedy="run the command again that made the output: the shard is made anew",
                )
            yield pa.table(
                {
                    "key": said["key"],
                    "source": pa.array([name] * found.num_rows, pa.string()),
                    **{each: found[each] for each in PLACES.names},
                    **{side: said[side] for side in catalog.SIZES.names},
                }
            )


def places(out: Location, name: str, tally: collecting.Tally, progress: Progress) -> pa.Table:
    """Return where the images of a shard of an output lie, a table of `PLACES`.

    Args:
        out: the folder of the output.
        name: of the shard, relative to it.
        tally: counts what is passed over.
        progress: told the bytes of the images that were read so far.
    """
    offsets, lengths, hashes = list[int](), list[int](), list[bytes]()
    for image in collecting.images_of(out, name, tally.note):
        offsets.append(image.offset)
        lengths.append(len(image.encoded))
        hashes.append(xxhash.xxh3_128_digest(image.encoded))
        if len(offsets) % _TELL == 0:
            progress(image.offset + lengths[-1])
    columns = (offsets, lengths, hashes)
    arrays = [pa.array(each, field.type) for each, field in zip(columns, PLACES, strict=True)]
    return pa.table(arrays, PLACES)


def is_output(path: Location) -> bool:
    """Whether a folder is an output of this program."""
    return storage.is_folder(path) and storage.is_folder(paths.state(path))


def splits(out: Location, asked: str) -> dict[str, OwnSplit]:
    """Return the finished splits of an output, in the first format that each is there in.

    Args:
        out: its folder.
        asked: the only format that is read; "": any whose shards are read.

    Raises:
        UsageError: no split is finished in such a format, or shards of the only one are not read.
    """
    foreign.check_read(asked)
    found: dict[str, OwnSplit] = {}
    for name in (asked,) if asked else foreign.READ:
        for split, digest in _finished(out, name):
            if split in found:
                continue
            place = paths.output(out, name, split, digest)
            document = manifest.read_undamaged(paths.manifest(place), OutputManifest)
            if document is not None and _is_read(place, document):
                found[split] = OwnSplit(out, storage.relative(place, out), document)
    if not found:
        raise _nothing_read(out, asked)
    return dict(sorted(found.items()))


def shared_table(every: Iterable[OwnSplit]) -> LabelTable:
    """Return the label table of some splits; one without classes where they do not agree."""
    tables = [each.table for each in every]
    known = max(tables, key=lambda table: len(table.class_ids), default=NO_LABELS)
    agree = all(
        table.class_ids == known.class_ids[: len(table.class_ids)]
        and table.words == known.words[: len(table.words)]
        for table in tables
        if table.class_ids
    )
    return known if agree else NO_LABELS


def classes(every: Collection[OwnSplit]) -> tuple[Named, ...] | None:
    """Return id and words of each class of this table, to be kept; None: there are no splits."""
    table = shared_table(every)
    return tuple(zip(table.class_ids, table.words, strict=True)) if every else None


def _finished(out: Location, name: str) -> Iterator[tuple[str, str]]:
    """Yield the splits that are finished in a format, each with the digest of its output."""
    for split in storage.folders(storage.below(out, name)):
        digest = storage.pointed(paths.current(out, name, split))
        if digest is not None and paths.is_digest(digest):
            yield split, digest


def _nothing_read(out: Location, asked: str) -> UsageError:
    formats = ", ".join([asked] if asked else foreign.READ)
    written = [name for name in foreign.NOT_READ if any(_finished(out, name))]
    if written:
        return UsageError(
            "the output has no shards of a format that is read as a source",
            file=str(out),
            expected=f"a finished split in the format {formats}",
            found=f"{' and '.join(written)}, which is written only",
            remedy="run the command that made it with such a --format, too; or read what it was"
            " made of",
        )
    return UsageError(
        "the output has no finished split whose shards are read",
        file=str(out),
        expected=f"one in the format {formats}",
        remedy="run the command again that made it, or name a folder of shards",
    )


def _is_read(folder: Location, document: OutputManifest) -> bool:
    """Whether the shards of an output are of a format that is read."""
    first = next((shard.file for shard in document.shards if shard.file is not None), None)
    if first is None:
        return False
    path = storage.below(folder, first)
    there = storage.stat(path) is not None
    return there and (shard_files.is_archive(first) or foreign.format_of(path) is not None)


def _without_masks(listed: pa.ChunkedArray) -> pa.Array:
    """Return objects without masks, whose files are none of the shards'."""
    column = pa.concat_arrays(listed.chunks) if listed.num_chunks != 1 else listed.chunk(0)
    flat = column.flatten()
    fields = [flat.field(field.name) for field in objects.OBJECT]
    fields[-1] = pa.nulls(len(flat), pa.string())
    structs = pa.StructArray.from_arrays(fields, fields=list(objects.OBJECT))
    offsets = column.offsets.to_numpy()
    return pa.ListArray.from_arrays(
        pa.array((offsets - offsets[0]).astype(np.int32)), structs, type=objects.TYPE
    )
