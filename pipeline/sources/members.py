"""What the archive of a split holds: the members of its verified index as rows of images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import SplitConfig
from pipeline.errors import ArchiveRefused
from pipeline.labels import LabelTable
from pipeline.sources.ilsvrc2012 import Expectation

_NO_FILE_NAME = r"^\.{0,2}$|[/\x00-\x1f\x7f]"
_LONGEST_NAME = 255  # bytes


class Parts(Protocol):
    """A table in parts, which are read when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: int, /) -> pa.Table: ...


def archive_rows(
    index: Parts, split: SplitConfig, table: LabelTable, expected: Expectation
) -> Iterator[pa.Table]:
    """Yield the images of a split that its archive holds, class by class in order of the keys.

    Args:
        index: member index of the archive (`pipeline.archives.index.INDEX_SCHEMA`).
        split: its configuration.
        table: the label table.
        expected: what the split must hold.

    Returns:
        Columns key, synset, source, offset, length, and number, which is 0 in class tars. A key
        is ``<wnid>/<name>`` in class tars and the file's name in a flat tar.

    Raises:
        ArchiveRefused: a member is not what the layout promises, or no file may have its name.
    """
    if split.layout == "class-tars":
        yield from _class_tars(index, split, table)
    elif len(index) > 0:
        whole = pa.concat_tables(index[part] for part in range(len(index)))
        yield _flat(whole, split, expected)


def _class_tars(index: Parts, split: SplitConfig, table: LabelTable) -> Iterator[pa.Table]:
    known = {f"{wnid}.tar": wnid for wnid in table.wnids}
    places: dict[str, list[tuple[int, int, int]]] = {}
    for part in range(len(index)):
        members = index[part]
        containers = members["container"].cast(pa.string()).combine_chunks()
        _check_class_tars(members.filter(pc.equal(containers, "")), split, known)
        for container, start, stop in _runs(containers):
            if container:
                places.setdefault(known[_plain(container)], []).append((part, start, stop))
    for wnid in sorted(places, key=lambda wnid: f"{wnid}/".encode()):
        slices = [index[part].slice(start, stop - start) for part, start, stop in places[wnid]]
        yield _class(wnid, pa.concat_tables(slices), split)


def _check_class_tars(outer: pa.Table, split: SplitConfig, known: Mapping[str, str]) -> None:
    for row in outer.filter(_is_no(outer, "directory")).to_pylist():
        if row["kind"] != "file" or _plain(row["name"]) not in known:
            raise _unexpected(split, row, "a tar named after a WNID of the label table")


def _runs(values: pa.StringArray) -> Iterator[tuple[str, int, int]]:
    """Yield value, start and stop of the runs of equal values."""
    encoded = pc.run_end_encode(values)
    ends = encoded.run_ends.to_pylist()
    yield from zip(encoded.values.to_pylist(), [0, *ends], ends, strict=False)


def _class(wnid: str, inner: pa.Table, split: SplitConfig) -> pa.Table:
    """Return the images that the tar of one class holds."""
    members = inner.filter(_is_no(inner, "directory"))
    for row in members.filter(_is_no(members, "file")).slice(0, 1).to_pylist():
        raise _unexpected(split, row, "regular files only")
    names = _plain_column(members["name"])
    unsafe = pc.or_(
        pc.match_substring_regex(names, _NO_FILE_NAME),
        pc.greater(pc.binary_length(names), _LONGEST_NAME),
    )
    for row in members.filter(unsafe).slice(0, 1).to_pylist():
        raise _unexpected(split, row, "a plain file name, at the top level of a class tar")
    synsets = pa.array([wnid] * members.num_rows, pa.string())
    keys = pc.binary_join_element_wise(synsets, names.combine_chunks(), "/")
    return _rows(split, members, keys, synsets, np.zeros(len(keys), np.int64))


def _flat(index: pa.Table, split: SplitConfig, expected: Expectation) -> pa.Table:
    pattern = re.compile(split.member or "")
    numbers, keep, seen = [], [], set()
    for row in index.select(["name", "kind", "container", "offset"]).to_pylist():
        keep.append(row["kind"] != "directory")
        if row["kind"] == "directory":
            continue
        name = _plain(row["name"])
        match = pattern.fullmatch(name) if row["kind"] == "file" else None
        digits = (match[1] or "") if match else ""
        number = int(digits) if digits.isascii() and digits.isdigit() else 0
        if not 1 <= number <= len(expected.numbered) or number in seen or _unsafe(name):
            wanted = f"{split.member} with a number from 1 to {len(expected.numbered)}, each once"
            raise _unexpected(split, row, wanted)
        seen.add(number)
        numbers.append(number)
    members = index.filter(pa.array(keep, pa.bool_()))
    synsets = pa.array([expected.numbered[number - 1] for number in numbers], pa.string())
    keys = pc.replace_substring_regex(members["name"], r"^.*/", "").combine_chunks()
    return _rows(split, members, keys, synsets, numbers)


def _rows(
    split: SplitConfig,
    members: pa.Table,
    keys: pa.Array,
    synsets: pa.Array,
    numbers: Sequence[int] | npt.NDArray[np.int64],
) -> pa.Table:
    return pa.table(
        {
            "key": keys,
            "synset": synsets,
            "source": pa.array([split.archive] * len(keys), pa.string()),
            "offset": members["offset"],
            "length": members["size"],
            "number": pa.array(numbers, pa.int64()),
        }
    )


def _is_no(index: pa.Table, kind: str) -> pa.ChunkedArray:
    return pc.not_equal(index["kind"].cast(pa.string()), kind)


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _plain_column(names: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(names, r"^\./", "")


def _unsafe(name: str) -> bool:
    """Whether the last part of a name cannot be a file's in a folder."""
    last = name.rpartition("/")[2]
    return bool(re.search(_NO_FILE_NAME, last)) or len(last.encode()) > _LONGEST_NAME


def _unexpected(split: SplitConfig, row: Mapping[str, object], expected: str) -> ArchiveRefused:
    inside = f"{row['container']} > " if row["container"] else ""
    return ArchiveRefused(
        f"split {split.name}: a member that does not belong there",
        file=split.archive,
        place=f"member {inside}{row['name']}, offset {row['offset']}",
        expected=expected,
        found=f"{row['kind']} {row['name']!r}",
        remedy="remove it from the archive, or describe the archive's layout in the configuration",
    )
