"""Reads every shard of a split once, front to back, and collects what it says of each image."""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import xxhash

from pipeline import storage
from pipeline.archives import packed_sources, parquet_names, signatures
from pipeline.archives.compressed import Look
from pipeline.archives.decompression import plain_name
from pipeline.archives.passage import Progress
from pipeline.catalog import objects
from pipeline.errors import InputRefused
from pipeline.quantities import counted
from pipeline.shards import foreign
from pipeline.shards.foreign import FoundImage, Note
from pipeline.sources.glance import Glance
from pipeline.sources.read_files import ReadFile
from pipeline.sources.shardset import parquet_images, shard_files, tar_images, zip_images
from pipeline.storage import Location

COLLECTED: Final = pa.schema(
    [
        ("name", pa.string()),  # what the shard calls the image, as a relative path
        ("filename", pa.string()),
        ("source", pa.dictionary(pa.int32(), pa.string())),  # the shard, relative to the root
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("xxh3_128", pa.binary(16)),  # of its bytes
        ("label", pa.int32()),  # null: none
        ("class_id", pa.string()),
        ("class_text", pa.string()),
        ("labels", pa.list_(pa.float32())),
        ("objects", objects.TYPE),
    ]
)
"""The images of a split, in the order of its shards."""

MOST_STAMPS: Final = 50_000
"""Files beside the shards whose looks are kept, at most: an input of more is read each time."""
_ROWS: Final = 1 << 14
_TELL: Final = 16 << 20  # bytes
_PLAIN: Final = "FOLDER"  # what the one is called where a shard is unpacked to
_SIGNATURES: Final = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG\r\n\x1a\n", ".png"))


@dataclass
class Tally:
    """Counts what was passed over in shards.

    Attributes:
        counts: how often, by what it is.
        examples: where the first of each stands.
        stamps: how the files beside the shards look that images were read from, by their paths.
        md5s: MD5 of each shard that is packed as a whole, by its name.
        told: what else is to be said of the images, a line each.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)
    md5s: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def note(self, what: str, place: str) -> None:
        """Count something; see `Note`."""
        self.counts[what] += 1
        self.examples.setdefault(what, place)

    def look(self, path: Location) -> None:
        """Take in how a file looks from which an image was read just now.

        What is gone by then is not settled: nobody knows that it stays away.
        """
        if str(path) not in self.stamps and len(self.stamps) <= MOST_STAMPS:
            stamp = storage.settled(path)
            self.stamps[str(path)] = storage.UNSETTLED if stamp == storage.ABSENT else stamp

    def add(self, shard: str, found: ReadFile) -> None:
        """Take in what was passed over in a shard, and how files beside it looked."""
        for what, count, example in found.passed_over:
            self.counts[what] += count
            self.examples.setdefault(what, example)
        if len(self.stamps) <= MOST_STAMPS:
            self.stamps |= found.beside
        if found.md5:
            self.md5s[shard] = found.md5

    def added_to(self, look: Glance) -> Glance:
        """Add how files beside the shards look; one that never holds where there are too many."""
        if len(self.stamps) > MOST_STAMPS:
            return Glance(dict.fromkeys(look.stamps, storage.UNSETTLED))
        return Glance(look.stamps | self.stamps)

    def lines(self) -> Iterator[str]:
        """Yield what there was, a line each."""
        yield from self.told
        for what, count in sorted(self.counts.items()):
            yield f"passed over, {what}: {counted(count, 'time')}, e.g. {self.examples[what]}"


def collect(
    root: Location,
    name: str,
    tally: Tally,
    label: str = "",
    progress: Progress = lambda _: None,
) -> pa.Table:
    """Return the images of a shard, a table of `COLLECTED`.

    Args:
        root: folder that the name is relative to.
        name: of the shard.
        tally: counts what is passed over.
        label: the column of the labels of Parquet files; "": the first that is called as one.
        progress: told the bytes of the images that were read so far, now and then.

    Returns:
        the images; one in a packed tar has its place in the plain tar, and the name of that.

    Raises:
        InputRefused: it is empty, cut short or damaged; it says of an image what cannot be.
    """
    parts, rows = [COLLECTED.empty_table()], list[tuple[object, ...]]()
    plain, md5 = plain_name(name), hashlib.md5(usedforsecurity=False)
    number = size = told = 0
    for image in images_of(root, name, tally.note, label, md5.update if plain else None):
        number += 1
        if image.source:
            tally.look(storage.below(root, image.source))
        rows.append(_row(image, plain or name, number))
        size += len(image.encoded)
        if size - told >= _TELL:
            told = size
            progress(size)
        if len(rows) == _ROWS:
            parts.append(_table(rows))
            rows = []
    parts.append(_table(rows))
    if plain:
        tally.md5s[name] = md5.hexdigest()
    if not number:
        tally.note("a shard without an image", name)
    return pa.concat_tables(parts).unify_dictionaries()


def images_of(
    root: Location, name: str, note: Note, label: str = "", look: Look | None = None
) -> Iterator[FoundImage]:
    """Yield the images of one shard; arguments and errors as of `collect`.

    Args:
        root: see `collect`.
        name: of the shard.
        note: counts what is passed over.
        label: see `collect`.
        look: shown the bytes of a tar, in order; of others it is not called.
    """
    path = storage.below(root, name)
    if parquet_names.is_parquet(name):
        return parquet_images.images(root, name, note, label)
    if packed_sources.is_zip(name):
        return zip_images.images(root, name, note)
    if shard_files.is_archive(name):
        return tar_images.images(path, note, look or (lambda _view: None))
    known = foreign.format_of(path)
    if known is None:
        raise _no_shard(path)
    return foreign.images(path, known, note)


def _no_shard(path: Location) -> InputRefused:
    with storage.open_ranges(path) as file:
        head = bytes(file.read(0, signatures.HEAD_BYTES))
    packed = signatures.recognise(head)
    remedy = "get it again from where it came from, or move it away"
    if packed is not None and packed.unpack is not None:
        command = packed.unpack.format(file=shlex.quote(str(path)))
        if packed.is_stream:
            command += f" > {_PLAIN}/{shlex.quote(path.name)}"
        remedy = f"unpack it into another folder, such as by `{command}`"
    return InputRefused(
        "no shard of a format that is read",
        file=str(path),
        expected="a TFRecord, RecordIO or MDS shard, or a tar",
        found=packed.kind if packed is not None else "other bytes" if head else "an empty file",
        remedy=remedy,
    )


def _row(image: FoundImage, shard: str, number: int) -> tuple[object, ...]:
    name = _path(image.name) or f"{shard}/{number:08d}"
    if "." not in name.rpartition("/")[2]:
        head = bytes(image.encoded[:8])
        name += next((end for magic, end in _SIGNATURES if head.startswith(magic)), "")
    if image.label is not None and image.label > objects.LARGEST_CLASS:
        raise InputRefused(
            "a label that is too large for one of a class",
            file=shard,
            place=name,
            expected=f"a whole number from 0 to {objects.LARGEST_CLASS}",
            found=str(image.label),
            remedy="correct what has written the shard",
        )
    return (
        name,
        image.filename or name.rpartition("/")[2],
        image.source or shard,
        image.offset,
        len(image.encoded),
        xxhash.xxh3_128_digest(image.encoded),
        image.label,
        image.class_id,
        image.class_text,
        image.labels,
        _objects(image, name, shard),
    )


def _path(name: str) -> str:
    """Return a name as a path below a folder: no part of it leads elsewhere."""
    return "/".join(part for part in name.split("/") if part not in {"", ".", ".."})


def _objects(image: FoundImage, name: str, shard: str) -> list[dict[str, Any]]:
    classes = image.box_classes or (objects.UNKNOWN,) * len(image.boxes)
    ids = image.box_ids or (None,) * len(image.boxes)
    # A class is read with the flags: who says one says that no flag is set, unless he says more.
    unset = 0 if any(ids) else None
    flags = image.flags or (unset,) * len(image.boxes)
    listed = list[dict[str, Any]]()
    for box, own, own_id, bits in zip(image.boxes, classes, ids, flags, strict=True):
        if not all(0 <= side <= 1 for side in box) or box[0] > box[2] or box[1] > box[3]:
            raise InputRefused(
                "a box that leaves its image, or has its sides exchanged",
                file=shard,
                place=name,
                expected="xmin, ymin, xmax, ymax as fractions of width and height",
                found=", ".join(f"{side:g}" for side in box),
                remedy="correct what has written the shard",
            )
        said: dict[str, Any] = {
            "class_index": own,
            "class_id": own_id or None,
            "flags": bits,
            "mask": None,
        }
        listed.append(dict(zip(objects.CORNERS, box, strict=True)) | said)
    return listed


def _table(rows: list[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(COLLECTED)
    arrays = [
        pa.array(column, pa.string()).dictionary_encode()
        if each.name == "source"
        else pa.array(column, each.type)
        for column, each in zip(columns, COLLECTED, strict=True)
    ]
    return pa.table(arrays, COLLECTED)
