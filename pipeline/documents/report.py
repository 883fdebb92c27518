"""The marks of a page for people, and of what it is made of; see `pipeline.report`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, to_builtins

from pipeline.documents.values import Digest, Name, NameOrNone, Position, Size, Text
from pipeline.manifest import FileEntry


class ReportImagesMark(Struct, frozen=True):
    """The mark of the images that were chosen for the contact sheets of a split.

    Attributes:
        digest: of the sheets of the split.
        split: name of the split.
        images: how many were looked at.
        sheets: contact sheets that they are for.
        whole: whether each chosen image is copied as it is stored, too.
        damaged: what could not be read, in sentences.
        files: tables of the chosen images, of the classes, and of the figures.
    """

    digest: Digest
    split: Name
    images: Size
    sheets: Position
    whole: bool
    files: tuple[FileEntry, ...]
    damaged: tuple[Text, ...] = ()


class DrawnImage(Struct, frozen=True):
    """An image on a contact sheet.

    Attributes:
        sheet: 0-based number of the sheet.
        cell: 0-based number of the image on it.
        x: of its left column on the sheet, in pixels.
        y: of its top row.
        width: on the sheet, in pixels; 0: it could not be read.
        height: likewise.
        sampling: how many pixels share a colour; "": it is no JPEG of several colours.
        masks: how many masks are drawn of its objects.
        file: name of its copy; "": there is none.
        damaged: why it could not be read, or, of one that is drawn, why a mask of it could not;
            "": nothing is wrong.
    """

    sheet: Position
    cell: Position
    x: Size
    y: Size
    width: Size
    height: Size
    sampling: Text = ""
    masks: Size = 0
    file: NameOrNone = ""
    damaged: Text = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        plain: dict[str, Any] = to_builtins(self)
        return plain


class ReportSheetsMark(Struct, frozen=True):
    """The mark of a group of contact sheets, which names their files."""

    digest: Digest
    split: Name
    group: Position
    images: tuple[DrawnImage, ...]
    files: tuple[FileEntry, ...]


class ReportPagesMark(Struct, frozen=True):
    """The mark of some pages of classes, which names them."""

    digest: Digest
    files: tuple[FileEntry, ...]


class ReportMark(Struct, frozen=True):
    """The mark of a whole report: it is written last.

    Attributes:
        digest: of what it shows.
        findings: how many things are damaged.
        left_out: how many images are in no shard.
        parts: how many marks of pages there are beside it.
        files: the first page, and what all pages need.
        duplicates: the distance of the page of duplicates that the first one leads to; -1: none.
        uses: digests of the sheets and of the page of duplicates that it leads to; empty: an
            earlier release made it, whose sheets lie beside its pages.
    """

    digest: Digest
    findings: Size
    left_out: Size
    parts: Position
    files: tuple[FileEntry, ...]
    duplicates: Annotated[int, Meta(ge=-1, le=64)] = -1
    uses: tuple[Digest, ...] = ()
