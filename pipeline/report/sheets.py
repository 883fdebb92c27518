"""Contact sheets of a group of classes: thumbnails, masks, and the images themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow.compute as pc

from pipeline import storage
from pipeline.documents.report import DrawnImage
from pipeline.errors import BadImage, OutputDamaged, ShardmillError, Vanished
from pipeline.finished import arrow_tables
from pipeline.finished.outputs import CountingOutput, brief
from pipeline.finished.stored import StoredImages
from pipeline.images import header
from pipeline.images.masks import Mask, decode_mask
from pipeline.images.sampling import read_sampling
from pipeline.report import places, tables, thumbnails
from pipeline.report.chosen import GROUP
from pipeline.storage import Location, StagedFile

_ENDINGS: Final = dict(zip(("JPEG", "PNG"), places.ENDINGS, strict=True))
_GRAY: Final = "L"


@dataclass(frozen=True)
class SheetWork:
    """A group of contact sheets to draw.

    Attributes:
        output: whose images they show.
        digest: of the sheets of the output.
        group: 0-based number.
        whole: whether each image is copied as it is stored, too.
    """

    output: CountingOutput
    digest: str
    group: int
    whole: bool

    def place(self, name: str) -> Location:
        """Return the path of a file of the group."""
        return places.file(self.output.out, self.digest, self.output.split, name)

    def rows(self) -> list[dict[str, Any]]:
        """Return the images of the group, as of `tables.CHOSEN`, sheet by sheet."""
        out, split = self.output.out, self.output.split
        chosen = arrow_tables.read(places.table(out, self.digest, split, "chosen"), tables.CHOSEN)
        first = self.group * GROUP
        inside = pc.and_(
            pc.greater_equal(chosen["sheet"], first), pc.less(chosen["sheet"], first + GROUP)
        )
        rows: list[dict[str, Any]] = chosen.filter(inside).to_pylist()
        return rows


def draw(
    work: SheetWork,
    staging: contextlib.ExitStack,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[list[StagedFile], list[DrawnImage]]:
    """Draw a group of sheets; return its files, which are to be published, and what is on them.

    An image that is damaged has an empty cell, and a sentence that says why. One whose mask is gone
    or damaged is drawn without it, with such a sentence, too.

    Args:
        work: the group.
        staging: what the files are given up with.
        progress: told how many images were read.
    """
    rows, staged, drawn = work.rows(), list[StagedFile](), list[DrawnImage]()
    by_sheet: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_sheet.setdefault(row["sheet"], []).append(row)
    has_images = work.output.shard_format.holds_images
    with contextlib.closing(StoredImages(work.output)) as images:
        for number, of_sheet in sorted(by_sheet.items()):
            if has_images:
                files, cells = _draw_sheet(work, number, of_sheet, images)
                staged += [_staged(work, staging, name, content) for name, content in files]
                drawn += cells
                progress(len(drawn))
    return staged, drawn


def _staged(
    work: SheetWork, staging: contextlib.ExitStack, name: str, content: bytes
) -> StagedFile:
    file = staging.enter_context(StagedFile(work.place(name)))
    file.write(content)
    return file


@dataclass
class _Sheet:
    """A sheet while it is drawn.

    Attributes:
        number: 0-based.
        small: the thumbnail of each cell.
        masks: of each cell that has some, the mask of each object, or None.
        copies: name and bytes of each image that is copied.
        drawn: what is on the sheet.
    """

    number: int
    small: dict[int, Any] = field(default_factory=dict)
    masks: dict[int, list[Mask | None]] = field(default_factory=dict)
    copies: list[tuple[str, bytes]] = field(default_factory=list)
    drawn: list[DrawnImage] = field(default_factory=list)

    def add(self, work: SheetWork, row: Mapping[str, Any], data: bytes) -> None:
        """Draw an image.

        Raises:
            BadImage: it cannot be decoded.
        """
        cell = row["cell"]
        image = self.small[cell] = thumbnails.thumbnail(data)
        masks, lost = _masks(work.output, row)
        if any(mask is not None for mask in masks):
            self.masks[cell] = masks
        said, name = header.read_header(data), ""
        if work.whole:
            name = places.copy_name(self.number, cell, _ENDINGS[said.format])
            self.copies.append((name, data))
        is_colour = said.format == "JPEG" and said.mode != _GRAY
        self.drawn.append(
            DrawnImage(
                *(self.number, cell, *thumbnails.corner(cell, image.size), *image.size),
                sampling=read_sampling(data) if is_colour else "",
                masks=sum(mask is not None for mask in masks),
                file=name,
                damaged=lost,
            )
        )

    def leave_empty(self, cell: int, why: str) -> None:
        """Note why a cell is empty."""
        self.drawn.append(DrawnImage(self.number, cell, 0, 0, 0, 0, damaged=why))

    def files(self, cells: int) -> list[tuple[str, bytes]]:
        """Return name and bytes of the files of the sheet."""
        files = [
            (places.sheet_name(self.number), thumbnails.sheet(self.small, cells)),
            *self.copies,
        ]
        if self.masks:
            sizes = {cell: image.size for cell, image in self.small.items()}
            content = thumbnails.mask_sheet(self.masks, sizes, cells)
            files.append((places.masks_name(self.number), content))
        return files


def _draw_sheet(
    work: SheetWork, number: int, rows: Sequence[Mapping[str, Any]], images: StoredImages
) -> tuple[list[tuple[str, bytes]], list[DrawnImage]]:
    """Return the files of a sheet, by name, and the images on it."""
    sheet, read = _Sheet(number), dict(_read(rows, images))
    for row in rows:
        found = read[row["cell"]]
        if isinstance(found, ShardmillError):
            sheet.leave_empty(row["cell"], _why(found, work.output, row["shard"]))
            continue
        try:
            sheet.add(work, row, found)
        except BadImage as error:
            sheet.leave_empty(row["cell"], error.brief)
    return sheet.files(1 + max(row["cell"] for row in rows)), sheet.drawn


def _why(error: ShardmillError, output: CountingOutput, shard: int) -> str:
    """Return why an image cannot be read, as a page says it."""
    path = output.shard(shard)
    if isinstance(error, Vanished) and path is not None:
        return f"its shard is gone: {path.name}"
    return brief(error, output.out).what


def _read(
    rows: Sequence[Mapping[str, Any]], images: StoredImages
) -> Iterator[tuple[int, bytes | ShardmillError]]:
    """Yield cell and bytes of each image, or why it cannot be read, in the order of the shards."""
    for row in sorted(rows, key=lambda row: (row["shard"], row["offset"])):
        try:
            yield row["cell"], images.read(row)
        except (OutputDamaged, Vanished) as error:
            yield row["cell"], error


def _masks(output: CountingOutput, row: Mapping[str, Any]) -> tuple[list[Mask | None], str]:
    """Return the mask of each object on an image, if it has one, and why one cannot be read."""
    masks, lost = list[Mask | None](), ""
    for name in (each["mask"] for each in row["objects"]):
        mask, why = _mask(output.out, name) if name else (None, "")
        masks.append(mask)
        lost = lost or why
    return masks, lost


def _mask(out: Location, name: str) -> tuple[Mask | None, str]:
    """Return a mask, or why it cannot be read."""
    names = name.split("/")
    path = storage.below(out, *names)
    if ".." in names or storage.stat(path) is None:
        return None, f"its mask is gone: {names[-1]}"
    try:
        return decode_mask(storage.read_bytes(path)), ""
    except BadImage as error:
        return None, f"its mask cannot be read: {names[-1]}: {error.brief}"
    except Vanished:  # a moment ago
        return None, f"its mask is gone: {names[-1]}"
