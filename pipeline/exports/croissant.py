"""The Croissant description of a data set: its files, splits, classes and images, as JSON-LD.

Source: the Croissant Format Specification 1.1, https://docs.mlcommons.org/croissant/, and
mlcroissant 1.1.1, which checks and loads it. The document lies at the top of the output folder; a
file's ``contentUrl`` is its path from there. Record sets::

    splits     name, images       in the document itself
    classes    a field a column   of the label table, by `imagelist.labels_bytes`
    images     a field a column   of the Parquet export, by `pipeline.exports.parquet`

A field's ``@id`` is ``<record set>/<column>``; a box has its corners as sub-fields. The `split` of
an image refers to `splits`, and its `class_id` to the ``sorted_index`` of `classes`.

Nothing in the document is of this machine or of a time: equal descriptions give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import xxhash

from pipeline import storage
from pipeline.errors import OutputDamaged, UsageError
from pipeline.manifest import Document, FileEntry
from pipeline.storage import Location

VERSION = 1
CONFORMS_TO = "http://mlcommons.org/croissant/1.1"

_STEP = 1 << 20  # bytes
_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".parquet": "application/x-parquet",
    ".tar": "application/x-tar",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
}
_ANY_BYTES = "application/octet-stream"
_TEXTS = {"wnid", "words", "folder"}
_OF_CROISSANT = (
    "arrayShape citeAs column containedIn equivalentProperty extract field fileObject "
    "fileProperty fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path "
    "recordSet references regex repeated replace samplingRate separator source subField transform"
)
_CONTEXT: Document = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _OF_CROISSANT.split()},
}


@dataclass(frozen=True)
class DescribedFile:
    """A file of the data set.

    Attributes:
        name: its path from the document, "/"-separated.
        bytes: its size.
        sha256: of its content, in hex.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Description:
    """What there is to say of a data set; an empty text is left out.

    mlcroissant warns of a missing `cite_as`, `date_published`, `license` and `version`.

    Attributes:
        name: of the data set.
        about: what it is, in a sentence.
        splits: name -> images.
        files: all of them, the two below included.
        images: name of the Parquet export.
        columns: those of the Parquet export, as `parquet.schema` returns them.
        classes: name of the label table; "": there is none.
        class_columns: its columns, in their order.
        class_key: which of these is the number of a class.
        class_column: which column of the Parquet export refers to that.
        image_key: the columns of the Parquet export by which an image is known.
        license: a URL or a name.
        url: of a page about it.
        cite_as: how to cite it.
        version: of the data set: MAJOR.MINOR.PATCH.
        date_published: of the data set, as YYYY-MM-DD.
    """

    name: str
    about: str
    splits: Mapping[str, int]
    files: tuple[DescribedFile, ...]
    images: str
    columns: pa.Schema
    classes: str = ""
    class_columns: tuple[str, ...] = ()
    class_key: str = "sorted_index"
    class_column: str = "class_id"
    image_key: tuple[str, ...] = ("file_name",)
    license: str = ""
    url: str = ""
    cite_as: str = ""
    version: str = ""
    date_published: str = ""


def serialise(description: Description) -> bytes:
    """Return the bytes of the document."""
    return (json.dumps(document(description), indent=1, ensure_ascii=False) + "\n").encode()


def document(description: Description) -> Document:
    """Return the document.

    Raises:
        UsageError: the files that records are read from are not among those of the data set.
    """
    named = {file.name for file in description.files}
    for name in filter(None, (description.images, description.classes)):
        if name not in named:
            raise UsageError("a file of records is not among the files described", file=name)
    texts = {
        "name": description.name,
        "description": description.about,
        "url": description.url,
        "license": description.license,
        "citeAs": description.cite_as,
        "version": description.version,
        "datePublished": description.date_published,
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        **{term: text for term, text in texts.items() if text},
        "conformsTo": CONFORMS_TO,
        "distribution": [_file(file) for file in description.files],
        "recordSet": [_splits(description), *_classes(description), _images(description)],
    }


def media_type(name: str) -> str:
    """Return what a file is, by its name."""
    return _MEDIA_TYPES.get(PurePosixPath(name).suffix, _ANY_BYTES)


def sha256_of(
    base: Location, entries: Iterable[FileEntry], known: Mapping[FileEntry, str]
) -> dict[FileEntry, str]:
    """Return the SHA-256 of files in hex, and read only those of which it is not known.

    A file is known by name, size and xxh3-128: one that was made anew is read again.

    Args:
        base: folder that names are relative to.
        entries: the files, as their manifest names them.
        known: what was found before.

    Raises:
        OutputDamaged: a file is not the one that its manifest names.
    """
    return {entry: known.get(entry) or _sha256(base, entry) for entry in entries}


def _sha256(base: Location, entry: FileEntry) -> str:
    wanted, written = hashlib.sha256(), xxhash.xxh3_128()
    with storage.open_ranges(base / entry.file) as reader:
        offset = 0
        while view := reader.read(offset, _STEP):
            wanted.update(view)
            written.update(view)
            offset += len(view)
    if written.hexdigest() != entry.xxh3_128:
        raise OutputDamaged(
            "the file is not as it was written",
            file=str(base / entry.file),
            expected=f"xxh3-128 {entry.xxh3_128}",
            found=written.hexdigest(),
            remedy="remove the file and run the same command again: it is made anew",
        )
    return wanted.hexdigest()


def _file(file: DescribedFile) -> Document:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": media_type(file.name),
        "sha256": file.sha256,
    }


def _record_set(name: str, about: str, key: tuple[str, ...], fields: list[Document]) -> Document:
    keys = [{"@id": f"{name}/{column}"} for column in key]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": about,
        "key": keys if len(keys) > 1 else keys[0],
        "field": fields,
    }


def _field(place: str, data_type: str, **rest: Any) -> Document:
    kind = {"dataType": data_type} if data_type else {}
    name = place.rpartition("/")[2]
    return {"@type": "cr:Field", "@id": place, "name": name, **kind, **rest}


def _column(file: str, name: str, **rest: Any) -> Document:
    return {"fileObject": {"@id": file}, "extract": {"column": name}, **rest}


def _splits(description: Description) -> Document:
    fields = [_field("splits/name", "sc:Text"), _field("splits/images", "sc:Integer")]
    found = _record_set("splits", "The splits and how many images each has.", ("name",), fields)
    rows = description.splits.items()
    data = [{"splits/name": name, "splits/images": images} for name, images in rows]
    return {**found, "dataType": "cr:Split", "data": data}


def _classes(description: Description) -> list[Document]:
    if not description.classes:
        return []
    fields = [
        _field(
            f"classes/{name}",
            "sc:Text" if name in _TEXTS else "sc:Integer",
            source=_column(description.classes, name),
        )
        for name in description.class_columns
    ]
    about = "The classes, and their numbers by each convention."
    if description.class_key == "sorted_index":
        about = "The classes, by all conventions in use, sorted by WNID."
    return [_record_set("classes", about, (description.class_key,), fields)]


def _images(description: Description) -> Document:
    references = {"split": "splits/name"}
    if description.classes:
        references[description.class_column] = f"classes/{description.class_key}"
    fields = [_image_field(description.images, field) for field in description.columns]
    for field in fields:
        if field["name"] in references:
            field["references"] = {"field": {"@id": references[field["name"]]}}
    about = "The images, in all splits."
    return _record_set("images", about, description.image_key, fields)


def _image_field(file: str, column: pa.Field) -> Document:
    place = f"images/{column.name}"
    if not pa.types.is_list(column.type):
        return _field(place, _data_type(column.type), source=_column(file, column.name))
    if not pa.types.is_struct(column.type.value_type):
        data_type = _data_type(column.type.value_type)
        source = _column(file, column.name)
        return _field(place, data_type, source=source, isArray=True, arrayShape="-1")
    corners = [
        _field(
            f"{place}/{corner.name}",
            _data_type(corner.type),
            source=_column(file, column.name, transform={"jsonPath": corner.name}),
        )
        for corner in column.type.value_type
    ]
    about = "Of each object, as fractions of the image's width and height."
    if column.name == "objects":
        about = "The objects on the image; boxes are fractions of its width and height."
    return _field(place, "", description=about, isArray=True, arrayShape="-1", subField=corners)


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
