"""Archives of classes: tars named after WNIDs, or folders named after them, as rows of images.

All of these layouts are read, also mixed, and inside of any folders of the archive::

    n01440764.tar > n01440764_18.JPEG              as ILSVRC2012_img_train.tar
    winter21_whole/n01440764.tar > n01440764_18.JPEG
    n01440764.tar > n01440764/n01440764_18.JPEG    a class tar made of a class folder
    train/n01440764/n01440764_18.JPEG              one tar of class folders

The index is read part by part: first to see which classes lie where, then once more, or a few
times if the classes lie in no order, to take their images class by class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveRefused
from pipeline.quantities import counted
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.member_rows import (
    Parts,
    Paths,
    clutter_mask,
    has_kind,
    image_rows,
    strings,
    unexpected,
)
from pipeline.storage.clutter import in_clutter

_TAR: Final = ".tar"
_BATCH: Final = 1 << 16  # images that are taken together, at least
_READS: Final = 4  # of each part, on average: if there are more, more images are taken together
_NO_IMAGE: Final = -1
_TOP: Final = -2  # at the top level of the archive
_EXPECTED: Final = (
    "a tar named after a WNID of the label table, or an image in a folder named after one"
)
_EXPECTED_NAME: Final = (
    "a plain file name, at the top level of a class tar or in a folder named after its class"
)
_Ranks = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Runs:
    """The ranks of a part's members, run by run: members of one class lie together.

    Attributes:
        ranks: (runs,) the rank of each run.
        lengths: (runs,) int64, how many members each has.
        held: the ranks, sorted, each once.
    """

    ranks: _Ranks
    lengths: npt.NDArray[np.int64]
    held: _Ranks

    @staticmethod
    def of(ranks: _Ranks) -> _Runs:
        """Return the runs of some ranks."""
        changes = np.flatnonzero(np.diff(ranks)) + 1
        starts = np.concatenate([[0], changes]) if len(ranks) else changes
        lengths = np.diff(np.concatenate([starts, [len(ranks)]]))
        values = ranks[starts]
        return _Runs(values, lengths.astype(np.int64), np.unique(values))

    def expanded(self) -> _Ranks:
        """Return the rank of each member."""
        return np.repeat(self.ranks, self.lengths)


class ClassMembers:
    """The images of an archive of classes.

    Args:
        index: its members.
        split: the configuration of the split.
        table: the label table.
        classes: the chosen WNIDs; None: all. What lies in tars and folders of other names is not
            looked at then.
        counts: how many images each class should have.
    """

    def __init__(
        self,
        index: Parts,
        split: SplitConfig,
        table: LabelTable,
        classes: tuple[str, ...] | None,
        counts: Mapping[str, int],
    ) -> None:
        self._counts, self._empty = counts, list[str]()
        self._index, self._split, self._choice = index, split, classes is not None
        # In the order of the keys, which begin with a class and "/".
        wnids = sorted(classes or table.class_ids, key=lambda wnid: f"{wnid}/".encode())
        self._wnids = pa.array(wnids, pa.string())
        self._tars = pa.array([f"{wnid}{_TAR}" for wnid in wnids], pa.string())
        self._rank_of_tar = {f"{wnid}{_TAR}": rank for rank, wnid in enumerate(wnids)}

    def rows(self) -> Iterator[pa.Table]:
        """Yield the images, some classes at a time, in the order of their keys' beginnings.

        Raises:
            ArchiveRefused: a member is not what the layout promises, no file may have its name, or
                a class that should have images has a tar without a byte.
        """
        runs = [_Runs.of(self._ranks(self._index[part])) for part in range(len(self._index))]
        counts = np.zeros(len(self._wnids), np.int64)
        for each in runs:
            images = each.ranks >= 0
            np.add.at(counts, each.ranks[images], each.lengths[images])
        self._check_empty(counts)
        for first, stop in _batches(counts, [each.held for each in runs]):
            pieces = [
                self._taken(self._index[part], each.expanded(), first, stop)
                for part, each in enumerate(runs)
                if _holds(each.held, first, stop)
            ]
            yield pa.concat_tables(pieces)

    def check(self, members: pa.Table) -> None:
        """Raise ArchiveRefused if members are not what the layout promises."""
        ranks = self._ranks(members)
        taken = members.filter(pa.array(ranks >= 0))
        self._as_rows(taken, ranks[ranks >= 0])

    def _taken(self, members: pa.Table, ranks: _Ranks, first: int, stop: int) -> pa.Table:
        """Return those images among members whose classes have the ranks first to stop - 1."""
        wanted = (ranks >= first) & (ranks < stop)
        return self._as_rows(members.filter(pa.array(wanted)), ranks[wanted])

    def _ranks(self, members: pa.Table) -> _Ranks:
        """Return the rank of each member's class; below 0 it is no image that is wanted."""
        containers = members["container"].combine_chunks()
        names = containers.dictionary.to_pylist()
        of_container = np.array([self._rank_of(name) for name in names], np.int32)
        ranks = of_container[containers.indices.to_numpy()] if names else np.zeros(0, np.int32)
        passed = pc.or_(has_kind(members, "directory"), clutter_mask(members))
        ranks[passed.to_numpy(zero_copy_only=False)] = _NO_IMAGE
        top = ranks == _TOP
        if top.any():
            ranks[top] = self._ranks_at_top(members.filter(pa.array(top)))
        return ranks

    def _check_empty(self, found: npt.NDArray[np.int64]) -> None:
        """Check that no class whose tar has no byte should have images; others have none."""
        for tar in self._empty:
            rank = self._rank_of_tar[tar]
            expected = self._counts.get(tar.removesuffix(_TAR), 0)
            if expected and not found[rank]:
                raise ArchiveRefused(
                    f"split {self._split.name}: a class tar without a byte",
                    file=self._split.archive,
                    place=f"member {tar}",
                    expected=f"a tar of {counted(expected, 'image')}",
                    found="0 bytes",
                    remedy="pack the archive anew with the whole tar of the class, or say in the "
                    "counts of the configuration that the class has no image",
                )

    def _rank_of(self, container: str) -> int:
        """Return the rank of a class tar's class, by its name."""
        if not container:
            return _TOP
        if in_clutter(container):
            return _NO_IMAGE
        return self._rank_of_tar.get(container.rpartition("/")[2], _NO_IMAGE)

    def _ranks_at_top(self, members: pa.Table) -> _Ranks:
        paths = Paths(strings(members["name"]))
        is_tar = pc.is_valid(pc.index_in(paths.leaf, self._tars))
        is_tar = pc.and_(is_tar, has_kind(members, "file"))
        no_byte = pc.and_(is_tar, pc.equal(members["size"].combine_chunks(), 0))
        self._empty += paths.leaf.filter(no_byte).to_pylist()
        in_folder = pc.index_in(paths.folder, self._wnids)
        in_folder = pc.fill_null(pc.if_else(paths.foldered, in_folder, None), _NO_IMAGE)
        known = pc.or_(is_tar, pc.greater_equal(in_folder, 0))
        if self._choice:
            another = pc.or_(paths.foldered, pc.ends_with(paths.leaf, _TAR))
            known = pc.or_(known, another)
        for row in members.filter(pc.invert(known)).slice(0, 1).to_pylist():
            raise unexpected(self._split, row, _EXPECTED)
        ranks: _Ranks = pc.if_else(is_tar, _NO_IMAGE, in_folder).to_numpy().astype(np.int32)
        return ranks

    def _as_rows(self, members: pa.Table, ranks: _Ranks) -> pa.Table:
        for row in members.filter(pc.invert(has_kind(members, "file"))).slice(0, 1).to_pylist():
            raise unexpected(self._split, row, "regular files only")
        paths, wnids = Paths(strings(members["name"])), self._wnids.take(pa.array(ranks))
        elsewhere = pc.and_(paths.foldered, pc.not_equal(paths.folder, wnids))
        wrong = pc.or_(elsewhere, paths.unsafe())
        for row in members.filter(wrong).slice(0, 1).to_pylist():
            raise unexpected(self._split, row, _EXPECTED_NAME)
        keys = pc.binary_join_element_wise(wnids, paths.leaf, "/")
        return image_rows(self._split, members, keys, wnids, np.zeros(len(keys), np.int64))


def _batches(
    counts: npt.NDArray[np.int64], holdings: list[npt.NDArray[np.int32]]
) -> list[tuple[int, int]]:
    """Divide classes into batches, by images per rank and the ranks that each part holds.

    Returns:
        first and stop rank of each batch that has an image. Batches are as small as the parts
        have to be read `_READS` times at most, on average.
    """
    size = _BATCH
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    while True:
        firsts = [0]
        while firsts[-1] < len(counts):
            before = int(ends[firsts[-1] - 1]) if firsts[-1] else 0
            stop = int(np.searchsorted(ends, before + size, "left")) + 1
            firsts.append(min(stop, len(counts)))
        batches = list(pairwise(firsts))
        reads = sum(_holds(ranks, *batch) for ranks in holdings for batch in batches)
        if size >= total or reads <= _READS * len(holdings):
            return [(first, stop) for first, stop in batches if counts[first:stop].any()]
        size *= 2


def _holds(ranks: npt.NDArray[np.int32], first: int, stop: int) -> bool:
    """Whether one of the sorted ranks is `first` or above and below `stop`."""
    place = np.searchsorted(ranks, first)
    return bool(place < len(ranks) and ranks[place] < stop)
