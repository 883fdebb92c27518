"""One image of a finished output, by its key: where it lies, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipeline import manifest, paths, storage
from pipeline.catalog import plan
from pipeline.catalog import table as catalog
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.shards import LeftOutImage, RepairedImage
from pipeline.errors import OutputDamaged, UsageError, abbreviate
from pipeline.formats import without_boxes
from pipeline.formats.registry import ALL, DEFAULT, FORMATS
from pipeline.names import near
from pipeline.shards import facts
from pipeline.state import current
from pipeline.storage import Location

_NEAR: Final = 5
_COMPARED: Final = 2000  # of the keys that begin alike, which are compared letter by letter
NO_BOXES: Final = "it has no boxes, and the labels of these shards are boxes"
"""Why an image is in no shard of detection labels."""


@dataclass(frozen=True)
class OpenOutput:
    """A finished output.

    Attributes:
        out: the output folder of the command that prepared it.
        folder: where its files lie.
        document: its manifest.
    """

    out: Location
    folder: Location
    document: OutputManifest

    @property
    def facts(self) -> Location:
        """The facts of its images."""
        return paths.facts(self.folder)


@dataclass(frozen=True)
class FoundImage:
    """An image that an output has.

    Attributes:
        output: which output.
        fact: its row of the facts, as of `facts.SCHEMA`.
        row: its row of the plan, as of `catalog.dicts`; None: the plan was not kept.
    """

    output: OpenOutput
    fact: Mapping[str, Any]
    row: Mapping[str, Any] | None

    @property
    def key(self) -> str:
        """Its key, unique in the split."""
        return str(self.fact["key"])

    @property
    def shard(self) -> Location | None:
        """The file that holds it; None: the output has no shards."""
        document = self.output.document
        name = document.shard_name(self.fact["shard"])
        files = ALL[document.format].paths(self.output.folder, name.stem)
        return files[0] if files else None

    @property
    def repair(self) -> RepairedImage | None:
        """What was changed of its bytes; None: nothing."""
        repairs = self.output.document.repairs
        return next((each for each in repairs if each.key == self.key), None)


@dataclass(frozen=True)
class AbsentImage:
    """An image that was planned, and that an output has in no shard.

    Attributes:
        output: which output.
        key: of the image.
        reason: why it is left out.
        place: what is known of where it lies; None: nothing.
    """

    output: OpenOutput
    key: str
    reason: str
    place: LeftOutImage | None


@dataclass(frozen=True)
class StoredRecord:
    """What a shard has of an image.

    Attributes:
        said: what the record says, by name, see `ShardFormat.parse`.
        image: the image as it is stored.
    """

    said: Mapping[str, object]
    image: bytes


def find(out: Location, key: str, shard_format: str, split: str) -> FoundImage | AbsentImage:
    """Return what a finished output has of an image, or why it lacks it.

    Args:
        out: the output folder of the shardmill command.
        key: of the image; or its file name, with or without its ending, if one image alone has it.
        shard_format: a format, or "": the first one that there is.
        split: a split, or "": the one that has the image.

    Raises:
        UsageError: no finished output has such an image, or several have; or there is no such
            split or format.
        OutputDamaged: nothing is finished, or what is there is damaged.
    """
    outputs = list(_outputs(out, shard_format, split))
    keys = {each.document.split: facts.read_keys(each.facts) for each in outputs}
    by_split = {each.document.split: each for each in outputs}
    if images := list(_images(keys, key)):
        found_split, found = _only(images, key)
        return _found(by_split[found_split], keys[found_split], found)
    absent = [each for output in outputs for each in _absent(output) if _is_called(each.key, key)]
    if absent:
        return absent[0]
    near = near_keys((each for shards in keys.values() for each in shards), key)
    raise UsageError(
        "no image of this key is in a finished output",
        file=str(out),
        expected=f"a key of {' or '.join(by_split)}" + (f", such as {near[0]}" if near else ""),
        found=key,
        remedy=f"say {abbreviate(near)}" if near else "look into the facts.parquet of an output",
    )


def near_keys(shards: Iterable[pa.ChunkedArray], key: str) -> list[str]:
    """Return the keys that a wrong one most likely stands for, the likeliest first.

    They hold it, in upper or lower case; else they are those most like it of the keys with which
    its file name has the longest beginning in common.
    """
    arrays = [array for array in shards if len(array)]
    holding = _filtered(arrays, pc.match_substring, key, _NEAR, ignore_case=True)
    if holding or not key:
        return holding
    name = key.rpartition("/")[2]
    for length in range(len(name), 0, -1):
        alike = _filtered(arrays, pc.match_substring, name[:length], _COMPARED)
        if alike:
            return near(key, alike, _NEAR, alike=0.3) or alike[:_NEAR]
    return []


def read_record(found: FoundImage) -> StoredRecord:
    """Read what a shard has of an image, and check that it is what was written.

    Raises:
        UsageError: the output has no shards.
        OutputDamaged: the record is not as it was written.
    """
    path, form = found.shard, ALL[found.output.document.format]
    if path is None:
        raise UsageError(
            "this output has no shards: its images lie in their source only",
            file=str(found.output.folder),
            expected=" or ".join(f"--format {name}" for name in FORMATS),
            found=found.output.document.format,
            remedy="prepare shards, or take the image from its source",
        )
    offset, length = found.fact["offset"], found.fact["length"]
    with storage.open_ranges(path) as reader:
        record = form.unframed(reader.read(offset, length), offset)
        if record is None:  # a format whose records are known only by those before them
            record = next((each for each in form.read(path) if each.offset == offset), None)
        if record is None:
            raise _damaged(found, "a record at this offset", "none")
        said, image = form.parse(record, f"{path}, byte {offset}")
        content = bytes(image)
    xxh3 = xxhash.xxh3_128_hexdigest(content)
    if xxh3 != found.fact["xxh3_128"]:
        raise _damaged(found, f"xxh3-128 {found.fact['xxh3_128']}", xxh3)
    return StoredRecord(said, content)


def _outputs(out: Location, shard_format: str, split: str) -> Iterator[OpenOutput]:
    """Yield the finished outputs of a format; of one split, if it is given."""
    chosen = shard_format or next(
        (name for name in ALL if storage.folders(out / name, links=True)), DEFAULT
    )
    begun = storage.folders(paths.outputs(out, chosen, "split").parent, links=True)
    unfinished: OutputDamaged | None = None
    there = 0
    for name in [split] if split or not begun else begun:
        try:
            listed = current.find(out, chosen, name or "train", FORMATS)
        except OutputDamaged as error:
            if split:
                raise
            unfinished = error
            continue
        document = manifest.read(paths.manifest(listed.folder), OutputManifest)
        there += 1
        yield OpenOutput(out, listed.folder, document)
    if unfinished is not None and not there:
        raise unfinished


def _images(
    keys: Mapping[str, list[pa.ChunkedArray]], wanted: str
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield splits, shards and records of the images of a key; else of those called so."""
    exact = [
        (split, (shard, place))
        for split, shards in keys.items()
        for shard, array in enumerate(shards)
        if (place := pc.index(array, wanted).as_py()) >= 0
    ]
    if exact:
        yield from exact
        return
    for split, shards in keys.items():
        for shard, array in enumerate(shards):
            holding = pc.match_substring(array, wanted)
            if pc.any(holding).as_py():
                for place, key in enumerate(array.to_pylist()):
                    if _is_called(key, wanted):
                        yield split, (shard, place)


def _only(images: list[tuple[str, tuple[int, int]]], key: str) -> tuple[str, tuple[int, int]]:
    if len(images) == 1:
        return images[0]
    splits = sorted({split for split, _ in images})
    several = len(splits) > 1
    raise UsageError(
        f"{len(images)} images are called so",
        expected="one",
        found=f"{key} in {', '.join(splits)}",
        remedy=f"say --split {splits[0]}" if several else "give the whole key, with its folder",
    )


def _is_called(key: str, name: str) -> bool:
    """Whether a name is a key, its file name, or one of them without what follows the last dot."""
    file_name = key.rpartition("/")[2]
    return name in {key, file_name, key.rpartition(".")[0], file_name.rpartition(".")[0]} - {""}


def _found(output: OpenOutput, keys: list[pa.ChunkedArray], place: tuple[int, int]) -> FoundImage:
    shard, record = place
    rows = facts.read_shard(output.facts, shard, len(keys[shard]))
    (fact,) = rows.slice(record, 1).to_pylist()
    return FoundImage(output, fact, _row(output, fact["shard"], fact["key"]))


def _row(output: OpenOutput, shard: int, key: str) -> Mapping[str, Any] | None:
    """Return the row of the plan; None: the plan was not kept, or is another host's."""
    document = output.document
    path = paths.plan(output.out, document.split, document.digests.plan)
    if storage.stat(path) is None:
        return None
    rows = plan.read_shard(path, shard)
    place = pc.index(rows.column("key"), key).as_py()
    return catalog.dicts(rows.slice(place, 1))[0] if place >= 0 else None


def _absent(output: OpenOutput) -> Iterator[AbsentImage]:
    """Yield the images that an output lacks."""
    for each in output.document.left_out:
        yield AbsentImage(output, each.key, each.reason, each)
    if any(entry.file == without_boxes.NAME for entry in output.document.files):
        content = storage.read_bytes(output.folder / without_boxes.NAME)
        for keys in without_boxes.parsed(content).values():
            for key in keys:
                yield AbsentImage(output, key, NO_BOXES, None)


def _filtered(
    arrays: Iterable[pa.ChunkedArray], match: Any, text: str, most: int, **options: Any
) -> list[str]:
    """Return the first keys that match a text."""
    keys: list[str] = []
    for array in arrays:
        keys += array.filter(match(array, text, **options)).to_pylist()
        if len(keys) >= most:
            break
    return keys[:most]


def _damaged(found: FoundImage, expected: str, seen: str) -> OutputDamaged:
    return OutputDamaged(
        f"the record of {found.key} is not as it was written",
        file=str(found.shard),
        place=f"byte {found.fact['offset']}",
        expected=expected,
        found=seen,
        remedy="shardmill verify OUT --remove-damaged, then run the shardmill command again",
    )
