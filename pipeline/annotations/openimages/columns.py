"""The columns of Open Images' CSV files: what they are called, and which values they may have."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_ID: Final = "^[0-9a-f]{16}$"
_LABEL: Final = "^/[a-z]+/[0-9A-Za-z_]+$"
_MASK_PATH: Final = r"^[0-9a-f]{16}_[0-9A-Za-z_]+\.png$"
_HEX: Final = "^[0-9a-f]+$"
_FRACTION: Final = re.compile(r"\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_FLAGS: Final = ("0", "1", "-1")

Spelling = Callable[[pa.Table], pa.Array]
"""Says of each row how a value of it has to be spelled, by its other values."""

Check = Callable[[pa.Array], pa.Array]
"""Says of each value of a column whether it is one of its form; null counts as no."""


@dataclass(frozen=True)
class Form:
    """Which values a column may have.

    Attributes:
        type: of the column in tables.
        expected: its values in words.
        holds: says the same of parsed values.
        parses: whether a text stands for a value; None: as `holds` says of the text itself.
        optional: whether a value may be absent; it is null then.
    """

    type: pa.DataType
    expected: str
    holds: Check
    parses: Callable[[str], bool] | None = None
    optional: bool = False

    def accepts(self, text: str) -> bool:
        """Whether a value may stand there that is spelled so."""
        if self.optional and text in ABSENT:
            return True
        if self.parses is not None:
            return self.parses(text)
        return bool(self.holds(pa.array([text], self.type))[0].as_py())


ABSENT: Final = ("", "nan")
"""How a number is spelled that nobody knows."""


def _matching(pattern: str) -> Check:
    return lambda values: pc.match_substring_regex(values, pattern)


def _between(least: float, most: float) -> Check:
    return lambda values: pc.and_(pc.greater_equal(values, least), pc.less_equal(values, most))


def _anything(values: pa.Array) -> pa.Array:
    return pc.is_valid(values)


def _is_fraction(text: str) -> bool:
    return _FRACTION.fullmatch(text) is not None and float(text) <= 1


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


ID: Final = Form(pa.string(), "16 hex digits in lower case", _matching(_ID))
LABEL: Final = Form(pa.string(), "the MID of a class, such as /m/0gxl3", _matching(_LABEL))
TEXT: Final = Form(pa.string(), "text in UTF-8", _anything)
MASK_PATH: Final = Form(
    pa.string(), "the name of a mask: <ImageID>_<MID without />_<BoxID>.png", _matching(_MASK_PATH)
)
HEX: Final = Form(pa.string(), "hex digits in lower case", _matching(_HEX))
FRACTION: Final = Form(pa.float64(), "a number from 0 to 1", _between(0, 1), _is_fraction)
MAYBE: Final = Form(
    pa.float64(), "a number from 0 to 1, or nothing", _between(0, 1), _is_fraction, optional=True
)
FLAG: Final = Form(
    pa.int8(), "1, 0, or -1 for unknown", _between(-1, 1), lambda text: text in _FLAGS
)
ROTATION: Final = Form(
    pa.float64(), "degrees, or nothing", _between(-360, 360), _is_number, optional=True
)


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
    def schema(self) -> pa.Schema:
        """The columns of the tables of its rows."""
        return pa.schema([(column.name, column.form.type) for column in self.columns])

    def column(self, name: str) -> Column:
        """Return a column by its name in tables."""
        return next(column for column in self.columns if column.name == name)


def _mask_paths(rows: pa.Table) -> pa.Array:
    """Return the name of each mask: ``<ImageID>_<MID without />_<BoxID>.png``."""
    labels = pc.replace_substring(rows["label"], "/", "")
    ends = pc.binary_join_element_wise(rows["box_id"], "png", ".")
    return pc.binary_join_element_wise(rows["image_id"], labels, ends, "_")


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
    ("mask_path", _mask_paths),
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
