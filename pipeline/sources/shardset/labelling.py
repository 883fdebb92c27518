"""The classes of images in shards: the numbers that stand there, words, or folders.

Numbers are taken as they stand, as those of an image list are. Where images have no number, their
classes in words are numbered in the order of the words; where no image has either, and they lie in
several folders, these are the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import names as rule
from pipeline.catalog import class_table as classtable
from pipeline.catalog import table as catalog
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.errors import InputRefused, UsageError
from pipeline.sources.imagelist import split_folders
from pipeline.sources.shardset.collecting import COLLECTED
from pipeline.storage import Location

HASH: Final = "xxh3_128"
ROWS: Final = pa.schema([*catalog.SCHEMA, (HASH, pa.binary(16))])
"""The catalog of a split, and the hash of each image."""
SIZED_ROWS: Final = pa.schema([*catalog.SCHEMA, *catalog.SIZES, (HASH, pa.binary(16))])
"""The same, with the sizes that annotations have said of the images."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """The images of a split with their classes.

    Attributes:
        rows: a table of `ROWS`, or of `SIZED_ROWS`.
        classes: what was numbered by words or folders; None: numbers stood there, or nothing.
        repeated: how many images have their number behind the name, which is there more than once.
    """

    rows: pa.Table
    classes: FolderClasses | None = None
    repeated: int = 0


def label(
    collected: Mapping[str, pa.Table], pinned: ClassTable | None, path: Location
) -> dict[str, Labelled]:
    """Return the catalog of each split.

    Args:
        collected: of each split, a table of `COLLECTED`.
        pinned: the table of classes that was given; None: it follows from words or folders.
        path: of the shards, for errors.

    Raises:
        InputRefused: some images have a number and others a word alone; a word is no name of a
            class, or not in the table; a name of an image cannot be one; folders are the same
            classes in several splits.
        UsageError: a table of classes was given, and there are no words and no folders.
    """
    every = pa.concat_tables(
        [table.select(["label", "class_text"]) for table in collected.values()]
    )
    has_number = pc.any(pc.is_valid(every["label"])).as_py()
    worded = pc.and_(pc.is_null(every["label"]), pc.not_equal(every["class_text"], ""))
    has_words = pc.any(worded).as_py()
    if has_number and has_words:
        raise InputRefused(
            "some images have a number as class, and others a word alone",
            file=str(path),
            expected="one of both in all",
            found=f"{pc.sum(worded).as_py():,} of {every.num_rows:,} with a word alone",
            remedy="read them by commands of their own, with --name",
        )
    if has_number:
        _check_not_pinned(pinned, path, "numbers, which are stored as they stand there")
        return {name: _with_numbers(table) for name, table in collected.items()}
    words = {name: table["class_text"].to_pylist() for name, table in collected.items()}
    if not has_words:
        collected = _below_shared(collected)
        words = _folders(collected)
    if not any(map(any, words.values())):
        _check_not_pinned(pinned, path, "images without a class")
        return {name: _with_numbers(table) for name, table in collected.items()}
    known = {text for texts in words.values() for text in texts if text}
    for text in sorted(known):
        if flaw := rule.folder_flaw(text):
            raise InputRefused(
                f"a class in words that can be no name of a class: {flaw}",
                file=str(path),
                found=repr(text[:200]),
                remedy="correct what has written the shards",
            )
    classes, _ = classtable.number(classtable.in_order(known), pinned, path)
    if not has_words and not classes.pinned:
        _check_no_splits(classes.table.names, path)
    return {name: _with_words(collected[name], texts, classes) for name, texts in words.items()}


def _check_not_pinned(pinned: ClassTable | None, path: Location, found: str) -> None:
    """Check that no table of classes was given where none has an effect.

    Raises:
        UsageError: one was.
    """
    if pinned is not None:
        raise UsageError(
            "--classes gives words, or folders, their labels",
            file=str(path),
            expected="classes in words, or folders of images",
            found=found,
            remedy="leave it out",
        )


def _check_no_splits(folders: Sequence[str], path: Location) -> None:
    """Check that the folders that are classes are not the same ones, once for each split.

    Raises:
        InputRefused: they are.
    """
    twice = split_folders.repeated(folders)
    if twice is not None:
        raise InputRefused(
            "folders that are named as splits hold the same classes: each would have two labels",
            file=str(path),
            expected="the class folders of one split",
            found=f"{twice.folder(twice.first)} and {twice.folder(twice.second)}",
            remedy=f"unpack it, and name the folder that holds {twice.first} and {twice.second},"
            " with --recursive: `shardmill imagelist` makes splits of these; or, if they are"
            " classes, name all class folders in a file, as they are named here, and say --classes"
            " FILE",
        )


def _below_shared(collected: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Return images with their names below the folder that holds all of them."""
    every = [each for table in collected.values() for each in table["name"].to_pylist()]
    folders = {name.rpartition("/")[0] for name in every}
    if len(folders) == 1:
        return dict(collected)
    parts = [folder.split("/") for folder in folders]
    shared = 0
    while all(len(each) > shared and each[shared] == parts[0][shared] for each in parts):
        shared += 1
    place = COLLECTED.get_field_index("name")
    names = {
        split: ["/".join(each.split("/")[shared:]) for each in table["name"].to_pylist()]
        for split, table in collected.items()
    }
    return {
        split: table.set_column(place, "name", pa.array(names[split], pa.string()))
        for split, table in collected.items()
    }


def _folders(collected: Mapping[str, pa.Table]) -> dict[str, list[str]]:
    """Return the folder of each image, "." for none; "" where all lie in one."""
    folders = {
        name: [each.rpartition("/")[0] or "." for each in table["name"].to_pylist()]
        for name, table in collected.items()
    }
    if len({folder for listed in folders.values() for folder in listed}) == 1:
        return {name: [""] * len(listed) for name, listed in folders.items()}
    return folders


def _with_numbers(table: pa.Table) -> Labelled:
    return _rows(table, table["label"].fill_null(-1), table["class_text"])


def _with_words(table: pa.Table, texts: list[str], classes: FolderClasses) -> Labelled:
    names, labels = classes.table.names, classes.table.labels
    numbers = [labels[classtable.normal(text)] if text else -1 for text in texts]
    there = {names[number] for number in numbers if number >= 0}
    absent = tuple(name for name in names if name not in there)
    own = FolderClasses(classes.table, classes.pinned, absent, alike=classes.alike)
    known = [names[number] if number >= 0 else "" for number in numbers]
    labelled = _rows(table, pa.array(numbers, pa.int32()), pa.array(known, pa.string()))
    return Labelled(labelled.rows, own, labelled.repeated)


def _rows(table: pa.Table, indexes: pa.Array, texts: pa.Array) -> Labelled:
    count = table.num_rows
    keys, repeated = _keys(table["name"])
    columns = {
        "key": keys,
        "filename": table["filename"],
        "source": table["source"].cast(pa.string()),
        "offset": table["offset"],
        "length": table["length"],
        "class_index": indexes,
        "class_id": table["class_id"],
        "class_text": texts,
        "labels": table["labels"],
        "id": pa.array(np.arange(count, dtype=np.uint64)),
        "line": pa.array(np.zeros(count, np.int32)),
        "objects": table["objects"],
        HASH: table[HASH],
    }
    for name in ("class_id", "class_text"):
        columns[name] = pc.dictionary_encode(columns[name].cast(pa.string()))
    return Labelled(pa.table(columns).cast(ROWS), repeated=repeated)


def _keys(names: pa.ChunkedArray) -> tuple[pa.Array, int]:
    """Return the key of each image: its name, and its number where the name is not its alone."""
    counts = names.value_counts()
    often = pa.concat_arrays([counts.filter(pc.greater(counts.field("counts"), 1)).field("values")])
    if not len(often):
        return names, 0
    again = pc.is_in(names, value_set=often)
    again = pc.or_(again, pc.match_substring_regex(names, r"#[0-9]+$")).to_pylist()
    listed = zip(names.to_pylist(), again, strict=True)
    keys = [f"{name}#{number}" if more else name for number, (name, more) in enumerate(listed)]
    return pa.array(keys, pa.string()), sum(again)
