"""What all layouts of archives share: the rows of images, the names allowed, and refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import names as rule
from pipeline.errors import ArchiveRefused
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.storage.clutter import PATH_PATTERN

_UNSAFE: Final = rf"^\.{{0,2}}$|[{rule.CONTROL}]"
_PYTHON_UNSAFE: Final = re.compile(rf"\.{{0,2}}\Z|.*[{rule.CONTROL}]", re.DOTALL)
_LEADING: Final = r"^(?:\./)+"
_REMEDY: Final = {
    "class-tars": "take it out and pack the archive anew, add its class to the label table, or "
    "unpack the archive and read folders of classes with --tree",
    "flat": "take it out and pack the archive anew, or correct `member` in the configuration",
}


class Parts(Protocol):
    """A table in parts, which are read when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: int, /) -> pa.Table: ...


class Paths:
    """The names of members, taken apart.

    Attributes:
        leaf: what follows the last "/".
        folder: the name of the folder that it lies in; where there is none, undefined.
        foldered: boolean, whether there is one.
    """

    def __init__(self, names: pa.StringArray) -> None:
        self.foldered = pc.match_substring(names, "/")
        self.leaf = self.folder = names
        self.climbs = self.foldered
        if pc.any(self.foldered).as_py():  # or these, the dearest of all, change nothing
            plain = pc.replace_substring_regex(names, _LEADING, "")
            self.leaf = pc.replace_substring_regex(plain, r"(?s)^.*/", "")
            self.foldered = pc.match_substring(plain, "/")
            self.folder = pc.replace_substring_regex(plain, r"(?s)^(?:.*/)?([^/]*)/[^/]*$", r"\1")
            self.climbs = pc.match_substring_regex(plain, r"^/|(?:^|/)\.\.(?:/|$)")

    def unsafe(self) -> pa.BooleanArray:
        """Return which paths climb, or end in what can be no name of a file."""
        long = pc.greater(pc.binary_length(self.leaf), rule.LONGEST)
        return pc.or_(self.climbs, pc.or_(long, pc.match_substring_regex(self.leaf, _UNSAFE)))


def is_unsafe(leaf: str) -> bool:
    """Whether the last part of a path can be no name of a file."""
    return bool(_PYTHON_UNSAFE.match(leaf)) or len(leaf.encode()) > rule.LONGEST


def strings(column: pa.ChunkedArray) -> pa.StringArray:
    """Return a column as one array of strings."""
    return column.cast(pa.string()).combine_chunks()


def has_kind(members: pa.Table, kind: str) -> pa.BooleanArray:
    """Return which members are of a kind."""
    return pc.equal(strings(members["kind"]), kind)


def clutter_mask(members: pa.Table) -> pa.BooleanArray:
    """Return which members are clutter, or lie in a nested tar that is."""
    names = pc.match_substring_regex(strings(members["name"]), PATH_PATTERN)
    containers = members["container"].combine_chunks()
    inside = pc.match_substring_regex(containers.dictionary.cast(pa.string()), PATH_PATTERN)
    return pc.or_(names, inside.take(containers.indices))


def image_rows(
    split: SplitConfig,
    members: pa.Table,
    keys: pa.Array,
    synsets: pa.Array,
    numbers: Sequence[int] | npt.NDArray[np.int64],
) -> pa.Table:
    """Return images as rows for `ilsvrc2012.build_catalog`.

    Args:
        split: the configuration of their split.
        members: one an image.
        keys: of the images.
        synsets: their WNIDs.
        numbers: their numbers in a flat split; 0 elsewhere.
    """
    return pa.table(
        {
            "key": keys,
            "class_id": synsets,
            "source": pa.repeat(pa.scalar(split.archive, pa.string()), len(keys)),
            "offset": members["offset"],
            "length": members["size"],
            "number": pa.array(numbers, pa.int64()),
        }
    )


def unexpected(split: SplitConfig, row: Mapping[str, object], expected: str) -> ArchiveRefused:
    """Return the refusal of a member that the layout of a split does not allow."""
    inside = f"{row['container']} > " if row["container"] else ""
    return ArchiveRefused(
        f"split {split.name}: a member that does not belong there",
        file=split.archive,
        place=f"member {inside}{row['name']}, offset {row['offset']}",
        expected=expected,
        found=f"{row['kind']} {row['name']!r}",
        remedy=_REMEDY[split.layout],
    )
