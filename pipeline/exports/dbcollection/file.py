"""What dbcollection 0.2.6 reads as its dataset ``ilsvrc2012``: one HDF5 file a task.

Source: dbcollection 0.2.6, datasets/imagenet/ilsvrc2012/classification.py, utils/string_ascii.py,
utils/hdf5.py, and core/loader.py, which takes every member of the root for a split. A file has a
group a split, ``train`` and ``val``, of these datasets, where N images are of C classes, M at most
of one, and L is the length of the longest text in a dataset::

    image_filenames                  uint8 (N, L + 1)   absolute paths
    classes                          uint8 (C, L + 1)   ids of the classes, sorted
    labels                           uint8 (C, L + 1)   words
    descriptions                     uint8 (C, L + 1)   glosses
    object_fields                    uint8 (2, 16)      image_filenames, classes
    object_ids                       int32 (N, 2)       row number, class
    list_image_filenames_per_class   int32 (C, M)       row numbers, then -1

Texts are ASCII, padded with NUL, one at least. A class is the 0-based place of its id among those
of the split. Images are sorted by class, then by file name. Every dataset is chunked as h5py
chooses and packed by gzip at level 4; fill values are 0, and -1 in int32. What else there is to say
stands in attributes of the root, at which dbcollection does not look.

The superblock has version 2, as dbcollection's own files do: the HDF5 1.8 of its time reads no
later one, such as ``libver="latest"`` gives today.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ConfigError, UsageError
from pipeline.exports.dbcollection.split import ASCII, Ids, Split, not_ascii
from pipeline.storage import StagedFile

VERSION = 1
DATASET = "ilsvrc2012"
CLASSIFICATION, RAW256 = "classification", "raw256"
TASKS = (CLASSIFICATION, RAW256)

_LIBVER = ("v108", "v108")
_PACKED = {"chunks": True, "compression": "gzip", "compression_opts": 4}
_FIELDS = ("image_filenames", "classes")
_ROWS = 1 << 16  # at a time, where no chunk says how many

Text = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ClassText:
    """A class in words: the `words` and the `gloss` of the devkit's ``meta.mat``."""

    words: str
    gloss: str


@dataclass(frozen=True)
class Place:
    """Where a task's images of a split are: a folder below the data folder, "" for itself."""

    folder: str
    by_class: bool


@dataclass(frozen=True)
class Conventions:
    """How paths are spelled and texts are shaped; `USABLE`, or the ones of dbcollection itself.

    Attributes:
        name: of the conventions, for the file's attributes.
        data_path: the data folder, by the one that was given.
        place: where a task's images of a split are.
        lone_text_is_flat: whether a text that is the only one of its dataset has one dimension.
    """

    name: str
    data_path: Callable[[str], str]
    place: Callable[[str, Split], Place]
    lone_text_is_flat: bool


def _usable_place(task: str, split: Split) -> Place:
    if task == RAW256:
        return Place(f"{split.name}256", by_class=True)
    return Place(split.folder, by_class=not split.flat)


USABLE = Conventions("usable", lambda given: given.rstrip("/") or "/", _usable_place, False)
"""Paths that exist: images of raw256 lie in ``train256`` and ``val256``, in class folders."""


def write(
    staged: StagedFile,
    task: str,
    splits: Sequence[Split],
    texts: Mapping[str, ClassText],
    data_dir: str,
    *,
    conventions: Conventions = USABLE,
    provenance: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the file of a task; the same arguments give the same bytes.

    Args:
        staged: the file.
        task: one of `TASKS`.
        splits: what it holds.
        texts: id of a class -> what it means, of every class.
        data_dir: absolute path of the folder that the images' folders lie in.
        conventions: how paths are spelled.
        provenance: attributes of the root besides `conventions`, `data_dir`, `task`, `version`.

    Raises:
        UsageError: the data folder is no absolute path in ASCII.
        ConfigError: nobody says what a class means.
        InputRefused: a text is not ASCII.
    """
    check_dir(data_dir)
    data_path = conventions.data_path(data_dir)
    own = {"conventions": conventions.name, "data_dir": data_path, "task": task}
    attributes = {**provenance, **own, "version": str(VERSION)}
    # Made in memory, some 7 MB: whatever goes wrong on the disk is then met in one place.
    image = io.BytesIO()
    with h5py.File(image, "w", libver=_LIBVER) as file:
        for key, value in sorted(attributes.items()):
            file.attrs[key] = value
        for split in splits:
            place = conventions.place(task, split)
            folder = f"{data_path}/{place.folder}" if place.folder else data_path
            group = _Group(file.create_group(split.name), conventions.lone_text_is_flat)
            _write_split(group, split, texts, Place(folder, place.by_class))
    staged.write(image.getbuffer())


class _Group:
    """The datasets of a split."""

    def __init__(self, group: h5py.Group, lone_text_is_flat: bool) -> None:
        self._group = group
        self._flatten = lone_text_is_flat

    def add(self, name: str, data: npt.NDArray[np.generic], fill: int) -> None:
        self._group.create_dataset(name, data=data, fillvalue=fill, **_PACKED)

    def add_texts(self, name: str, texts: Sequence[bytes]) -> None:
        rows = _text_rows(texts, max(map(len, texts)) + 1)
        self.add(name, rows[0] if self._flatten and len(texts) == 1 else rows, 0)

    def add_many_texts(
        self, name: str, count: int, texts: Callable[[int, int], pa.StringArray]
    ) -> None:
        """Add texts, of which never more than a row of chunks is held."""
        if count == 1:
            self.add_texts(name, [text.encode() for text in texts(0, 1).to_pylist()])
            return
        lengths = (pc.max(pc.binary_length(texts(*part))) for part in _parts(count, _ROWS))
        width = max(length.as_py() for length in lengths) + 1
        shape = (count, width)
        data = self._group.create_dataset(name, shape, np.uint8, fillvalue=0, **_PACKED)
        for start, stop in _parts(count, data.chunks[0]):
            part = texts(start, stop).cast(pa.binary()).to_pylist()
            data[start:stop] = _text_rows(part, width)


def _write_split(group: _Group, split: Split, texts: Mapping[str, ClassText], place: Place) -> None:
    group.add_many_texts(
        "image_filenames", len(split.names), lambda *part: _paths(split, place, *part)
    )
    about = [_text_of(texts, class_id) for class_id in split.classes]
    group.add_texts("classes", [class_id.encode() for class_id in split.classes])
    group.add_texts("labels", [text.words.encode() for text in about])
    group.add_texts("descriptions", [text.gloss.encode() for text in about])
    group.add_texts("object_fields", [name.encode() for name in _FIELDS])
    rows = np.arange(len(split.names), dtype=np.int32)
    group.add("object_ids", np.column_stack([rows, split.class_ids]), -1)
    group.add("list_image_filenames_per_class", _rows_per_class(split.counts), -1)


def _rows_per_class(counts: npt.NDArray[np.int64]) -> Ids:
    places = np.arange(counts.max())
    firsts = np.cumsum(counts) - counts
    rows = np.where(places < counts[:, None], firsts[:, None] + places, -1)
    return rows.astype(np.int32)


def _paths(split: Split, place: Place, start: int, stop: int) -> pa.StringArray:
    parts = [pa.scalar(place.folder), split.names[start:stop]]
    if place.by_class:
        ids = pa.array(split.classes, pa.string())
        parts.insert(1, ids.take(pa.array(split.class_ids[start:stop])))
    return pc.binary_join_element_wise(*parts, "/")


def _text_rows(texts: Sequence[bytes], width: int) -> Text:
    return np.array(texts, f"S{width}").view(np.uint8).reshape(len(texts), width)


def _parts(count: int, step: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, step):
        yield start, min(start + step, count)


def _text_of(texts: Mapping[str, ClassText], class_id: str) -> ClassText:
    if class_id not in texts:
        raise ConfigError(f"nothing says what class {class_id} means", expected="words and a gloss")
    check_texts(class_id, texts[class_id])
    return texts[class_id]


def check_texts(class_id: str, texts: ClassText) -> None:
    """Check that a file can hold what a class is called.

    Raises:
        InputRefused: a text is not ASCII.
    """
    for what, text in (("name", class_id), ("words", texts.words), ("gloss", texts.gloss)):
        if not re.fullmatch(ASCII, text):
            raise not_ascii(f"the {what} of a class", f"class {class_id}", text)


def check_dir(data_dir: str) -> None:
    """Check that a file can say where its images are.

    Raises:
        UsageError: the folder is no absolute path in ASCII.
    """
    if not data_dir.startswith("/") or not re.fullmatch(ASCII, data_dir):
        raise UsageError(
            "dbcollection cannot be told where the images are",
            file=data_dir,
            expected="an absolute path in ASCII",
            remedy="name a folder, or a link to it, by --data-dir",
        )
