"""Reads an image list or a folder of images once, to know what it names.

A list is that of im2rec (`lst`) or one whose columns have names (`table_list`), a folder one as
im2rec.py would list it (`listing`). All are read twice, here and to make the catalog
(`list_rows`), and lists are never held whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.catalog.class_table import ClassTable
from pipeline.sources.glance import Note, no_note
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist import list_tables as listtables
from pipeline.sources.imagelist.columns import PATH_AND_LABEL, Columns
from pipeline.sources.imagelist.division import WHOLE
from pipeline.sources.imagelist.image_listing import ImageListing, ListingTally, ReadAs
from pipeline.sources.imagelist.list_tables import Listed
from pipeline.sources.imagelist.long_names import never_cut
from pipeline.sources.source import IsCut
from pipeline.storage import Location


def scan(
    path: Location,
    root: Location,
    *,
    recursive: bool = False,
    extensions: Sequence[str] = (),
    table: ClassTable | None = None,
    columns: Columns = PATH_AND_LABEL,
    prefix: str = "",
    scanned: Listed | None = None,
    is_cut: IsCut = never_cut,
    note: Note = no_note,
) -> ImageListing:
    """Read a list, or list a folder, and look at the files that it names.

    Args:
        path: the list or the folder.
        root: folder that the paths are relative to.
        recursive: of a folder, whether the folders in it are classes.
        extensions: of a folder, what names of images end in; empty: the customary ones.
        table: of class folders, or of labels that are texts, which label each has; None: see
            `listing.scan` and `table_list.open_list`.
        columns: see `ImageListing`.
        prefix: see `ImageListing`.
        scanned: what was found in the list or folder, if somebody has looked.
        is_cut: see `ImageListing.long_names`.
        note: called with each folder before it is listed.

    Raises:
        BadAnnotation: see `lst.read`, `table_list.open_list` and `TableList.tables`; the file is
            no list, see `listcontents.check`.
        TreeRefused: see `listing.scan`.
        Vanished: there is neither.
    """
    kinds = tuple(extensions) or listing.EXTENSIONS
    how = ReadAs(path, root, recursive, kinds, columns, prefix, WHOLE)
    return divided(how, [""], table=table, scanned=scanned, is_cut=is_cut, note=note)[""]


def divided(
    how: ReadAs,
    splits: Sequence[str],
    *,
    table: ClassTable | None = None,
    scanned: Listed | None = None,
    is_cut: IsCut = never_cut,
    note: Note = no_note,
) -> dict[str, ImageListing]:
    """Read a list or folder once, and return what it names for each of its splits.

    A split may get no image. Arguments and errors as of `scan`.
    """
    source = scanned
    if source is None:
        source = listtables.opened(
            how.path, how.extensions, how.columns, recursive=how.recursive, table=table, note=note
        )
    tallies = {name: ListingTally(how, name, is_cut) for name in splits}
    for rows in listtables.tables(source):
        for name, part in how.division.parts(rows, splits).items():
            if part.num_rows:
                tallies[name].add(part)
    return {name: tally.result(source) for name, tally in tallies.items()}
