"""What the archive of a split holds: the members of its verified index as rows of images."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.archives.index import INDEX_SCHEMA
from pipeline.archives.tar import Member
from pipeline.catalog.classes import LabelTable
from pipeline.sources.ilsvrc2012.class_members import ClassMembers
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.expectation import Expectation
from pipeline.sources.ilsvrc2012.member_names import image_numbers
from pipeline.sources.ilsvrc2012.member_rows import (
    Parts,
    clutter_mask,
    has_kind,
    image_rows,
    is_unsafe,
    unexpected,
)
from pipeline.storage.clutter import EXAMPLES, NOTHING, PassedOver

__all__ = ["Parts", "archive_rows", "check_first", "is_needed", "passed_over"]

_TAR = ".tar"


def archive_rows(
    index: Parts,
    split: SplitConfig,
    table: LabelTable,
    expected: Expectation,
    classes: tuple[str, ...] | None = None,
) -> Iterator[pa.Table]:
    """Yield the images of a split that its archive holds, class by class in order of the keys.

    Clutter is passed over: `passed_over` says what.

    Args:
        index: member index of the archive (`pipeline.archives.index.INDEX_SCHEMA`).
        split: its configuration.
        table: the label table.
        expected: what the split must hold.
        classes: the chosen WNIDs; None: all. Other classes of class tars are not looked at.

    Returns:
        Columns key, synset, source, offset, length, and number, which is 0 in class tars. A key
        is ``<wnid>/<name>`` in class tars and the file's name in a flat tar.

    Raises:
        ArchiveRefused: a member is not what the layout promises, or no file may have its name.
    """
    if split.by_class:
        yield from ClassMembers(index, split, table, classes, expected.counts).rows()
    elif len(index) > 0:
        whole = pa.concat_tables(index[part] for part in range(len(index)))
        yield _flat(whole, split, table, expected)


def passed_over(index: Parts) -> PassedOver:
    """Return the members of an archive that are clutter, without folders."""
    total = NOTHING
    for part in range(len(index)):
        members = index[part]
        is_file = pc.invert(has_kind(members, "directory"))
        left = members.filter(pc.and_(clutter_mask(members), is_file))
        first = left.slice(0, EXAMPLES).to_pylist()
        names = [" > ".join(filter(None, (row["container"], row["name"]))) for row in first]
        total += PassedOver.of(left.num_rows, names)
    return total


def is_needed(tar: str, split: SplitConfig, classes: tuple[str, ...] | None) -> bool:
    """Whether a split needs what lies in a nested tar: not that of a class that was not chosen.

    Args:
        tar: its name in the archive.
        split: the configuration of the split.
        classes: the chosen WNIDs; None: all.
    """
    if not split.by_class or classes is None:
        return True
    return tar.rpartition("/")[2].removesuffix(_TAR) in classes


def check_first(
    member: Member,
    split: SplitConfig,
    table: LabelTable,
    expected: Expectation,
    classes: tuple[str, ...] | None,
) -> None:
    """Check the first file of an archive against the layout of a split that is to be in it.

    Raises:
        ArchiveRefused: the layout does not allow it.
    """
    members = pa.Table.from_pylist([member._asdict()], INDEX_SCHEMA)
    if split.by_class:
        ClassMembers((members,), split, table, classes, expected.counts).check(members)
    else:
        _flat(members, split, table, expected)


def _flat(
    index: pa.Table, split: SplitConfig, table: LabelTable, expected: Expectation
) -> pa.Table:
    """Return the images of a flat split; they may lie in folders, those of classes in their own."""
    skipped = pc.or_(has_kind(index, "directory"), clutter_mask(index))
    members = index.filter(pc.invert(skipped))
    numbers, leaves, seen = list[int](), list[str](), set[int]()
    rows = members.select(["name", "kind", "container", "offset"]).to_pylist()
    names = [row["name"].removeprefix("./") for row in rows]
    of_names = image_numbers(split.member or "", names)
    of_leaves = image_numbers(split.member or "", [name.rpartition("/")[2] for name in names])
    for row, name, *found in zip(rows, names, of_names, of_leaves, strict=True):
        folder, _, leaf = name.rpartition("/")
        number = (found[0] or found[1]) if row["kind"] == "file" else 0
        if not 1 <= number <= len(expected.numbered) or number in seen or is_unsafe(leaf):
            wanted = f"{split.member} with a number from 1 to {len(expected.numbered)}, each once"
            raise unexpected(split, row, wanted)
        label, of_folder = expected.numbered[number - 1], folder.rpartition("/")[2]
        if of_folder in table.index and of_folder != label:
            raise unexpected(split, row, f"an image of {of_folder} in its folder, not of {label}")
        seen.add(number)
        numbers.append(number)
        leaves.append(leaf)
    synsets = pa.array([expected.numbered[number - 1] for number in numbers], pa.string())
    return image_rows(split, members, pa.array(leaves, pa.string()), synsets, numbers)
