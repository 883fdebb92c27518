"""Pure functions that spell the file names of a report.

::

    OUT/report/index.html                               the page, which leads to all others
    OUT/report/run.html                                 commands and costs, which no mark names
    OUT/report/duplicates.html  duplicates.parquet      images that are there more than once
    OUT/report/<pages>/style.css  report.js  keys.js    what the pages need
    OUT/report/<pages>/classes/00012.html               the page of a class
    OUT/report/<sheets>/<split>/00012.jpg               a contact sheet; 00012.masks.png lies on it
    OUT/report/<sheets>/<split>/00012-03.jpg            an image as it is stored
    OUT/report/<duplicates>/style.css  report.js        what the page of duplicates needs
    OUT/report/<duplicates>/duplicates/duplicates-00012.jpg   its thumbnails
    OUT/.shardmill/report/<digest>/                     marks of any of these, and tables

Each folder is named by the digest of what decides the bytes in it: of pages by everything that
they show, of sheets by the output of their split, of duplicates by the outputs that are compared.
"""

from __future__ import annotations

from typing import Final

from pipeline import paths
from pipeline.storage import Where, below

FOLDER: Final = "report"
"""The folder in the output, whose name no tree may have, and that in the folder of the state."""


def folder(out: Where) -> Where:
    """The folder of the page that shows an output to people."""
    return below(out, FOLDER)


def index(out: Where) -> Where:
    """The page itself."""
    return below(folder(out), "index.html")


def run(out: Where) -> Where:
    """The page of commands and of what each step cost, which no mark names."""
    return below(folder(out), "run.html")


def files(out: Where, digest: str) -> Where:
    """The folder of what a page leads to."""
    return below(folder(out), digest)


def file(out: Where, digest: str, below_it: str, name: str) -> Where:
    """One file that a page leads to; `below_it`: a split, or what its files are."""
    return below(files(out, digest), below_it, name)


def all_marks(out: Where) -> Where:
    """The folder of the marks of all pages."""
    return below(paths.state(out), FOLDER)


def marks(out: Where, digest: str) -> Where:
    """The folder of the marks of what a page is made of, and of its tables."""
    return below(all_marks(out), digest)


def table(out: Where, digest: str, split: str, name: str) -> Where:
    """A table of what a page says of a split."""
    return below(marks(out, digest), f"{split}.{name}.arrow")


def images_mark(out: Where, digest: str, split: str) -> Where:
    """The mark of the images that were chosen for the contact sheets of a split."""
    return below(marks(out, digest), f"{split}.images.json")


def sheets_mark(out: Where, digest: str, split: str, group: int) -> Where:
    """The mark of one group of contact sheets."""
    return below(marks(out, digest), f"{split}.{group:05d}.sheets.json")


def pages_mark(out: Where, digest: str, part: int) -> Where:
    """The mark of some pages of classes."""
    return below(marks(out, digest), f"classes.{part:05d}.pages.json")


def mark(out: Where, digest: str) -> Where:
    """The mark of a whole report."""
    return below(marks(out, digest), "report.json")


def duplicates(out: Where) -> Where:
    """The page of duplicates."""
    return below(folder(out), "duplicates.html")


def duplicates_table(out: Where) -> Where:
    """The table of duplicates."""
    return below(folder(out), "duplicates.parquet")


def duplicates_sheet(out: Where, digest: str, number: int) -> Where:
    """A sheet of thumbnails of duplicates; a split may be called as its folder is."""
    return file(out, digest, "duplicates", f"duplicates-{number:05d}.jpg")


def duplicates_mark(out: Where, digest: str) -> Where:
    """The mark of the page and table of duplicates."""
    return below(marks(out, digest), "duplicates.json")


STYLE, SCRIPT, KEYS = "style.css", "report.js", "keys.js"
"""What all pages need, and what is searched."""
CLASSES: Final = "classes"
"""The folder of the pages of classes."""
ENDINGS: Final = ("jpg", "png")
"""What the names of copied images end in: JPEGs, and PNGs."""


def page_name(number: int) -> str:
    """Return the name of the page of a class."""
    return f"{number:05d}.html"


def sheet_name(number: int) -> str:
    """Return the name of a contact sheet."""
    return f"{number:05d}.jpg"


def masks_name(number: int) -> str:
    """Return the name of the masks that lie on a sheet."""
    return f"{number:05d}.masks.png"


def copy_name(sheet: int, cell: int, ending: str) -> str:
    """Return the name of an image as it is stored, by its place on the sheets."""
    return f"{sheet:05d}-{cell:02d}.{ending}"
