"""Files that are no image list, by their first bytes, and what to do about them."""

from __future__ import annotations

from typing import Final

from pipeline import storage
from pipeline.archives import signatures
from pipeline.archives.parquet_names import is_parquet
from pipeline.errors import BadAnnotation
from pipeline.sources.imagelist.lst_refusals import refused
from pipeline.storage import Location

_WANTED: Final = "a text: the form of im2rec, CSV or TSV with a header, or JSONL"
_ZIPS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_WORKBOOK_PARTS: Final = (b"[Content_Types].xml", b"xl/", b"_rels/.rels")
_AS_TEXT: Final = "save it as CSV in UTF-8, with a header, from the program that has made it"
_PARQUET: Final = b"PAR1"
_KINDS: Final = (
    (
        _PARQUET,
        "a Parquet file",
        'write it as CSV: python -c \'import pandas; pandas.read_parquet("LIST")'
        '.to_csv("NEW.csv", index=False)\'',
    ),
    (
        b"ARROW1",
        "an Arrow (Feather) file",
        'write it as CSV: python -c \'import pandas; pandas.read_feather("LIST")'
        '.to_csv("NEW.csv", index=False)\'',
    ),
    (b"SQLite format 3\x00", "an SQLite database", "write the table with sqlite3 -header -csv"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _AS_TEXT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (xls)", _AS_TEXT),
    (b"\x93NUMPY", "an array of NumPy", _AS_TEXT),
    (b"\x80\x04\x95", "a pickle of Python", _AS_TEXT),
    (b"\x80\x05\x95", "a pickle of Python", _AS_TEXT),
)


def check(path: Location) -> None:
    """Check that a file may be an image list, by its first bytes.

    Raises:
        BadAnnotation: it is of a known kind that is no text, nor Parquet by its name, too; its name
            and a remedy are said.
        Vanished: there is no such file.
    """
    head = first_bytes(path)
    if head.startswith(_PARQUET) and is_parquet(path.name):
        return
    named = _named(head)
    if named is not None:
        kind, remedy = named
        raise _foreign(path, kind, remedy)


def first_bytes(path: Location) -> bytes:
    """Return the first bytes of a list: a few hundred, or all of a shorter one."""
    with storage.open_ranges(path) as file:
        size = min(signatures.HEAD_BYTES, file.info.size)
        return bytes(file.read(0, size)) if size else b""


def _named(head: bytes) -> tuple[str, str] | None:
    """Return what a file is that is no text, and what to do; None: it may be a text."""
    for signature, kind, remedy in _KINDS:
        if head.startswith(signature):
            return kind, remedy
    if head.startswith(_ZIPS) and any(part in head for part in _WORKBOOK_PARTS):
        return "an Excel workbook (xlsx)", _AS_TEXT
    foreign = signatures.recognise(head)
    if foreign is None or head.lstrip().startswith(b"{"):  # a line of JSONL
        return None
    if foreign.unpack is None:
        return foreign.kind, "give the list itself"
    return foreign.kind, f"unpack it: {foreign.unpack.format(file='LIST')}"


def _foreign(path: Location, kind: str, remedy: str) -> BadAnnotation:
    return refused(path, 1, f"this is {kind}, and no image list", _WANTED, kind, remedy)
