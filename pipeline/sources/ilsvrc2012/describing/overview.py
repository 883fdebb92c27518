"""What lies in an archive, counted member by member: tars, folders, and kinds of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.annotations.source import SUFFIX
from pipeline.images.header import JPEG, PNG
from pipeline.sources.ilsvrc2012.describing.listing import DATA
from pipeline.sources.ilsvrc2012.member_rows import Parts, Paths, clutter_mask, has_kind, strings

TAR: Final = ".tar"
_MOST_NAMED: Final = 3


@dataclass
class OddData:
    """Files of one kind of data that is no JPEG or PNG: how many, and the first of them."""

    count: int = 0
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Overview:
    """What an archive holds, without folders and clutter.

    Attributes:
        tars: names of the nested tars at its top level.
        folders: paths of the folders with files, outside of nested tars, without ``./``; "": files
            that lie in none.
        files: how many files there are, those in nested tars among them.
        annotations: how many of them are named as annotations are.
        bytes: of all of them.
        odd: what is no JPEG or PNG, by what its data are.
    """

    tars: frozenset[str]
    folders: frozenset[str]
    files: int
    annotations: int
    bytes: int
    odd: Mapping[str, OddData]

    @property
    def classes(self) -> dict[str, list[str]]:
        """The tars and folders that a class could be named after, by that name, sorted."""
        found: dict[str, list[str]] = {}
        for path in sorted({*self.tars, *self.folders} - {""}):
            leaf = path.rpartition("/")[2]
            name = leaf.removesuffix(TAR) if path in self.tars else leaf
            found.setdefault(name, []).append(path)
        return found


def overview(parts: Parts) -> Overview:
    """Return what an archive holds.

    Args:
        parts: its members, with the columns of `listing.SCHEMA`.
    """
    tars, folders = set[str](), set[str]()
    files = annotations = size = 0
    odd: dict[str, OddData] = {}
    for number in range(len(parts)):
        members = wanted(parts[number])
        paths = Paths(strings(members["name"]))
        at_top = pc.equal(strings(members["container"]), "")
        is_tar = pc.and_(at_top, pc.and_(pc.ends_with(paths.leaf, TAR), has_kind(members, "file")))
        tars.update(members["name"].filter(is_tar).to_pylist())
        rest = members.filter(pc.invert(is_tar))
        files += rest.num_rows
        size += pc.sum(rest["size"]).as_py() or 0
        annotations += _annotations(rest)
        folders |= _folders(members.filter(pc.and_(at_top, pc.invert(is_tar))))
        _count_odd(rest, odd)
    return Overview(frozenset(tars), frozenset(folders), files, annotations, size, odd)


def wanted(members: pa.Table) -> pa.Table:
    """Return the members that are neither folders nor clutter."""
    passed = pc.or_(has_kind(members, "directory"), clutter_mask(members))
    return members.filter(pc.invert(passed))


def leaves(parts: Parts) -> pa.StringArray:
    """Return the names of all files without their folders, in the order of the archive."""
    tables = (wanted(parts[number]) for number in range(len(parts)))
    found = [Paths(strings(members["name"])).leaf for members in tables]
    return pa.concat_arrays(found) if found else pa.array([], pa.string())


def _annotations(members: pa.Table) -> int:
    ends = pc.ends_with(strings(members["name"]), SUFFIX, ignore_case=True)
    return int(pc.sum(ends).as_py() or 0)


def _folders(members: pa.Table) -> set[str]:
    names = pc.replace_substring_regex(strings(members["name"]), r"^(?:\./)+", "")
    return set(pc.unique(pc.replace_substring_regex(names, r"(?s)/?[^/]*$", "")).to_pylist())


def _count_odd(members: pa.Table, odd: dict[str, OddData]) -> None:
    for each in members[DATA].value_counts().to_pylist():
        kind, count = each["values"], each["counts"]
        if kind in {JPEG, PNG, ""}:
            continue
        known = odd.setdefault(kind, OddData())
        known.count += count
        if (room := _MOST_NAMED - len(known.names)) > 0:
            first = members.filter(pc.equal(strings(members[DATA]), kind)).slice(0, room)
            for row in first.select(["container", "name"]).to_pylist():
                known.names.append(" > ".join(filter(None, (row["container"], row["name"]))))
