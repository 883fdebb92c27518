"""The columns of Open Images' CSV files: what they are called, and which values they may have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

Spelling = Callable[[Mapping[str, str]], str]
"""Says how a value of a row has to be spelled, by its other values: name of a column -> text."""


@dataclass(frozen=True)
class Form:
    """Which values a column may have.

    Attributes:
        type: of the column in tables, as Arrow calls it.
        expected: its values in words.
        stands: whether a text stands for one of them.
        optional: whether a value may be absent; it is null then.
    """

    type: str
    expected: str
    stands: Callable[[str], object]
    optional: bool = False

    def accepts(self, text: str) -> bool:
        """Whether a value may stand there that is spelled so."""
        return (self.optional and text in ABSENT) or bool(self.stands(text))


ABSENT: Final = ("", "nan")
"""How a number is spelled that nobody knows."""

_NUMBER: Final = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_FRACTION: Final = re.compile(rf"[ \t]*{_NUMBER}[ \t]*")  # Arrow passes over blanks, too
_FLAG: Final = re.compile("[ \t]*-?0*[01][ \t]*")


def _is_fraction(text: str) -> bool:
    return _FRACTION.fullmatch(text) is not None and 0 <= float(text) <= 1


def _is_degrees(text: str) -> bool:
    try:
        return -360 <= float(text) <= 360  # noqa: PLR2004 - a turn
    except ValueError:
        return False


def _is_anything(text: str) -> bool:
    del text
    return True


ID: Final = Form("string", "16 hex digits in lower case", re.compile("[0-9a-f]{16}").fullmatch)
LABEL: Final = Form(
    "string",
    "the MID of a class, such as /m/0gxl3",
    re.compile("/[a-z]+/[0-9A-Za-z_]+").fullmatch,
)
TEXT: Final = Form("string", "text in UTF-8", _is_anything)
MASK_PATH: Final = Form(
    "string",
    "the name of a mask: <ImageID>_<MID without />_<BoxID>.png",
    re.compile(r"[0-9a-f]{16}_[0-9A-Za-z_]+\.png").fullmatch,
)
HEX: Final = Form("string", "hex digits in lower case", re.compile("[0-9a-f]+").fullmatch)
FRACTION: Final = Form("double", "a number from 0 to 1", _is_fraction)
MAYBE: Final = Form("double", "a number from 0 to 1, or nothing", _is_fraction, optional=True)
FLAG: Final = Form("int8", "1, 0, or -1 for unknown", _FLAG.fullmatch)
ROTATION: Final = Form("double", "degrees, or nothing", _is_degrees, optional=True)


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: in tables.
        header: in the first line of a file; case does not matter.
        form: its values.
        others: what else files call it.
    """

    name: str
    header: str
    form: Form
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        noun: what it is, in words.
        columns: those that are read; a file may have others besides.
        pairs: columns of which no value may be above that of the other.
        spelled: a column that says what others of its row say, and how it has to be spelled then.
    """

    noun: str
    columns: tuple[Column, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    spelled: tuple[str, Spelling] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns in tables."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return a column by its name in tables."""
        return next(column for column in self.columns if column.name == name)


def mask_path(row: Mapping[str, str]) -> str:
    """Return the name of a mask: ``<ImageID>_<MID without />_<BoxID>.png``."""
    return f"{row['image_id']}_{row['label'].replace('/', '')}_{row['box_id']}.png"


_IMAGE: Final = Column("image_id", "ImageID", ID)  # V7 has "ImageId", too
_LABEL_NAME: Final = Column("label", "LabelName", LABEL, ("Label",))
_SOURCE: Final = Column("source", "Source", TEXT)
_CONFIDENCE: Final = Column("confidence", "Confidence", FRACTION)
_CORNERS: Final = ("XMin", "XMax", "YMin", "YMax")
_SIDES: Final = (("xmin", "xmax"), ("ymin", "ymax"))

BOXES: Final = Kind(
    "boxes",
    (
        _IMAGE,
        _LABEL_NAME,
        *(Column(name.lower(), name, FRACTION) for name in _CORNERS),
        _SOURCE,
        _CONFIDENCE,
        Column("occluded", "IsOccluded", FLAG),
        Column("truncated", "IsTruncated", FLAG),
        Column("group_of", "IsGroupOf", FLAG),
        Column("depiction", "IsDepiction", FLAG),
        Column("inside", "IsInside", FLAG),
    ),
    _SIDES,
)
MASKS: Final = Kind(
    "masks",
    (
        _IMAGE,
        _LABEL_NAME,
        *(Column(name.lower(), f"Box{name}", FRACTION) for name in _CORNERS),
        Column("mask_path", "MaskPath", MASK_PATH),
        Column("box_id", "BoxID", HEX),
        Column("predicted_iou", "PredictedIoU", MAYBE),
    ),
    _SIDES,
    ("mask_path", mask_path),
)
LABELS: Final = Kind("image labels", (_IMAGE, _LABEL_NAME, _SOURCE, _CONFIDENCE))
ROWS: Final = Kind("rows with a class each", (_IMAGE, _LABEL_NAME))
"""Any file that names an image and a class in each row."""
SURE_ROWS: Final = Kind(ROWS.noun, (*ROWS.columns, _CONFIDENCE))
"""The same, with how sure it is that the class is there: 0 means that it is not."""
IMAGES: Final = Kind(
    "images",
    (
        _IMAGE,
        Column("subset", "Subset", TEXT),
        Column("original_url", "OriginalURL", TEXT),
        Column("landing_url", "OriginalLandingURL", TEXT),
        Column("license", "License", TEXT),
        Column("author_profile_url", "AuthorProfileURL", TEXT),
        Column("author", "Author", TEXT),
        Column("title", "Title", TEXT),
        Column("original_size", "OriginalSize", TEXT),
        Column("original_md5", "OriginalMD5", TEXT),
        Column("thumbnail_url", "Thumbnail300KURL", TEXT),
        Column("rotation", "Rotation", ROTATION),
    ),
)
