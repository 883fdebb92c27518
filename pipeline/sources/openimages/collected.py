"""What was collected of one split of Open Images, by the marks and tables that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import digests, manifest, storage
from pipeline.documents.openimages import ImageGroupMark, MaskMark, SelectionMark
from pipeline.errors import NotCollected, OutputDamaged
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.ids import Numbers, number, numbers
from pipeline.sources.openimages.images import image_rows
from pipeline.sources.openimages.masks import mask_rows, mask_shapes, masks
from pipeline.sources.openimages.selecting import selection
from pipeline.storage import Location

SUFFIX: Final = ".jpg"
"""What the names of images end in."""
_ID, _HASH = 16, 16  # digits and bytes


@dataclass(frozen=True, eq=False, kw_only=True)
class Collected:
    """A split whose images, and masks if they are wanted, were collected.

    Attributes:
        out: the output folder.
        mark: of the selection.
        groups: the marks of the groups of images, in order.
        masks: the marks of the masks, by first digit; None: masks are not wanted.
    """

    out: Location
    mark: SelectionMark
    groups: Sequence[ImageGroupMark]
    masks: Sequence[MaskMark] | None

    @property
    def split(self) -> str:
        """The name of the split."""
        return self.mark.split

    @property
    def selected_images(self) -> Location:
        """The table of the images that are selected."""
        return places.selected_images(self.out, self.split, self.mark.digest)

    @property
    def selected_objects(self) -> Location:
        """The table of the objects on them."""
        return places.selected_objects(self.out, self.split, self.mark.digest)

    @property
    def bytes(self) -> int:
        """How many bytes the files of the images have."""
        return sum(group.bytes for group in self.groups)

    @property
    def there(self) -> int:
        """How many images have a file."""
        return sum(group.images for group in self.groups)

    @cached_property
    def outcomes(self) -> Mapping[str, int]:
        """How many images have each outcome but that they are there."""
        total = Counter[str]()
        for group in self.groups:
            total.update(group.outcomes)
        return {name: total[name] for name in sorted(total) if name not in image_rows.THERE}

    @cached_property
    def mask_outcomes(self) -> Mapping[str, int]:
        """How many masks have each outcome but that they were kept."""
        total = Counter[str]()
        for mark in self.masks or ():
            total.update(mark.outcomes)
        return {
            name: total[name] for name in sorted(total) if name != mask_rows.KEPT and total[name]
        }

    @property
    def mask_example(self) -> str:
        """The name of one of the masks that were not kept; "": there is none."""
        each = (names for mark in self.masks or () for names in mark.examples.values())
        return next((name for names in each for name in names), "")

    @property
    def misshapen(self) -> Iterator[str]:
        """The names of masks that do not have the shape of their image."""
        out, digits = storage.on_this_machine(self.out), [mark.digit for mark in self.masks or ()]
        return mask_shapes.misshapen(
            out, self.split, self.mark.digest, digits, groups=len(self.groups)
        )

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """Digests of what was selected and of what came of it: of each image, and each mask."""
        fetched = digests.digest({"groups": [group.digest for group in self.groups]})
        of_masks = {} if self.masks is None else {"masks": masks.digest_of(self.masks)}
        return {"fetched": fetched, "selection": self.mark.digest, **of_masks}

    def source(self, image_id: str) -> str:
        """Return where the file of an image lies below the output folder."""
        return self._prefix + image_id + SUFFIX

    def group(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """Return what came of the images of a group.

        Raises:
            OutputDamaged: the table is not what was written.
        """
        path = places.image_table(self.out, self.split, self.mark.digest, number)
        parts = list(tables.read(path, tables.GROUP_TABLE, columns))
        if not parts:
            raise OutputDamaged("a table of images without a row", file=str(path))
        return pa.concat_tables(parts)

    def outcome_groups(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Yield what came of the images, a group at a time, in order."""
        for place in range(len(self.groups)):
            yield self.group(place, columns)

    @cached_property
    def absences(self) -> Mapping[str, str]:
        """Why there is no file, of each ImageID that has none."""
        reasons: dict[str, str] = {}
        for place, mark in enumerate(self.groups):
            if mark.finals:
                columns = ["image_id", "outcome", "url", "status", "detail"]
                rows = self.group(place, columns).to_pylist()
                missing = (row for row in rows if row["outcome"] not in image_rows.THERE)
                reasons |= {row["image_id"]: _reason(row) for row in missing}
        return reasons

    @cached_property
    def contents(self) -> KnownImages:
        """The hashes that the images had when they were collected."""
        ids, hashes = [np.empty(0, np.uint64)], [b""]
        for rows in self.outcome_groups(["image_id", "xxh3"]):
            known = rows.filter(rows["xxh3"].is_valid())
            ids.append(numbers(known["image_id"]))
            hashes.append(b"".join(known["xxh3"].to_pylist()))
        content = np.frombuffer(b"".join(hashes), f"V{_HASH}")
        return KnownImages(np.concatenate(ids), content)

    @cached_property
    def unwritten_masks(self) -> pa.Array:
        """The MaskPaths, ascending, of masks that do not lie in the output folder."""
        names: list[str] = []
        for mark in self.masks or ():
            if any(
                each not in mask_rows.WRITTEN and count for each, count in mark.outcomes.items()
            ):
                table = places.mask_table(self.out, self.split, self.mark.digest, mark.digit)
                for rows in tables.read(table, tables.MASK_TABLE, ["mask_path", "outcome"]):
                    lacks = (each not in mask_rows.WRITTEN for each in rows["outcome"].to_pylist())
                    names += compress(rows["mask_path"].to_pylist(), lacks)
        return pa.array(sorted(names), pa.string())

    def written_masks(self, paths: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return MaskPaths with null in the place of those that do not lie in the output folder."""
        if self.masks is None:
            return pa.chunked_array([pa.nulls(len(paths), pa.string())])
        if not len(self.unwritten_masks):
            return paths
        lacks = pc.is_in(paths, value_set=self.unwritten_masks)
        return pc.if_else(lacks, pa.scalar(None, pa.string()), paths)

    @cached_property
    def _prefix(self) -> str:
        return f"{storage.relative(places.images(self.out, self.split), self.out)}/"


@dataclass(frozen=True, eq=False)
class KnownImages:
    """What images were when they were collected; see `KnownContents`.

    Attributes:
        ids: (n,) ImageIDs, ascending.
        hashes: (n,) of 16 bytes, the xxh3-128 of each.
    """

    ids: Numbers
    hashes: NDArray[np.void]

    def at(self, sources: Sequence[str], offsets: Sequence[int]) -> list[bytes | None]:
        """Return the xxh3-128 of each image; None where it has no file."""
        del offsets
        if not len(self.ids):
            return [None] * len(sources)
        ends = slice(-len(SUFFIX) - _ID, -len(SUFFIX))
        ids = np.array([number(source[ends]) for source in sources], np.uint64)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        known = zip(self.hashes[rows].tolist(), self.ids[rows] == ids, strict=True)
        return [content if is_known else None for content, is_known in known]


def load(
    out: Location, split: str, digest: str, *, with_masks: bool, with_images: bool = True
) -> Collected:
    """Return what was collected of a split by its marks; no image and no mask is looked at.

    Args:
        out: the output folder.
        split: its name.
        digest: of the selection.
        with_masks: whether masks are wanted.
        with_images: whether images are.

    Raises:
        NotCollected: something is still to be collected.
    """
    mark = selection.complete(out, split, digest)
    if mark is None:
        raise _not_collected(places.selection_mark(out, split, digest))
    groups = list[ImageGroupMark]()
    for place in range(tables.group_count(mark.images) if with_images else 0):
        path = places.image_mark(out, split, digest, place)
        group = manifest.read_complete(path, out, ImageGroupMark)
        if group is None:
            raise _not_collected(path)
        groups.append(group)
    of_masks = _masks(out, mark) if with_masks else None
    return Collected(out=out, mark=mark, groups=groups, masks=of_masks)


def _masks(out: Location, mark: SelectionMark) -> list[MaskMark]:
    marks = list[MaskMark]()
    for digit in sorted(each for each, count in mark.digits.items() if count):
        path = places.mask_mark(out, mark.split, mark.digest, digit)
        of_digit = manifest.read_complete(path, out, MaskMark)
        if of_digit is None:
            raise _not_collected(path)
        marks.append(of_digit)
    return marks


def _not_collected(mark: Location) -> NotCollected:
    return NotCollected(
        "not all of Open Images that is asked for was collected yet",
        file=str(mark),
        expected="what says that a step is done",
        found="nothing, or files that are not there any more",
        remedy="run the same command again: it goes on where it ended",
    )


def _reason(row: Mapping[str, object]) -> str:
    """Return in words what came of an image that has no file."""
    answer = f"HTTP {row['status']}" if row["status"] else ""
    detail = str(row["detail"])  # it may begin with the answer
    said = [answer, detail] if answer and not detail.startswith("HTTP") else [detail]
    return f"{', '.join([str(row['outcome']), *filter(None, said)])}: {row['url']}"
