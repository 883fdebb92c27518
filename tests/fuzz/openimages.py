"""The files of Open Images: valid ones, and what every parser of them promises."""

from __future__ import annotations

import csv
import io
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline import names, storage
from pipeline.annotations.openimages import classes, hierarchy
from pipeline.annotations.openimages.choice import Choice
from pipeline.annotations.openimages.columns import Kind
from pipeline.annotations.openimages.records import Records
from pipeline.annotations.openimages.rows import RowBatch
from pipeline.archives import zip as zipfiles
from pipeline.archives import zip_index
from pipeline.images.masks import decode_mask, encode_rle, is_black, mask_size
from pipeline.sample.openimages import draw_openimages
from pipeline.sample.openimages_plan import BEAR
from pipeline.sources.openimages import config, file_table, text_lists
from pipeline.sources.openimages.masks.mask_archives import OpenArchive

Read = Callable[..., Iterator[RowBatch]]

_LIST = b"train/0123456789abcdef\nvalidation/00000000000000ff\r\ntest/fedcba9876543210\n"
_CLASSES = b"Bear\n# none\n\n/m/01dwsz,Waffle\nKitchen & dining room table\n"


@cache
def drawn() -> Mapping[str, bytes]:
    """Return the files of the drawn set that are not images: path -> content."""
    with tempfile.TemporaryDirectory() as folder:
        draw_openimages(Path(folder))
        files = [path for path in sorted(Path(folder).rglob("*")) if path.suffix != ".jpg"]
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in files if path.is_file()
        }


def raw(*parts: str) -> tuple[bytes, ...]:
    """Return the files of RAW whose names have one of these texts in them."""
    return tuple(
        content for name, content in drawn().items() if any(part in name for part in parts)
    )


def boxes() -> tuple[bytes, ...]:
    return raw("-bbox.csv")


def masks() -> tuple[bytes, ...]:
    return raw("-object-segmentation.csv")


def labels() -> tuple[bytes, ...]:
    return raw("-imagelabels-")


def images() -> tuple[bytes, ...]:
    return raw("-with-rotation.csv")


def class_names() -> tuple[bytes, ...]:
    return raw("class-descriptions-boxable")


def mids() -> tuple[bytes, ...]:
    return raw("classes-segmentation")


def hierarchies() -> tuple[bytes, ...]:
    return raw("hierarchy")


def configurations() -> tuple[bytes, ...]:
    return (drawn()["openimages.toml"],)


def file_tables() -> tuple[bytes, ...]:
    return (drawn()["openimages/files.tsv"],)


def image_lists() -> tuple[bytes, ...]:
    return (_LIST,)


def class_lists() -> tuple[bytes, ...]:
    return (_CLASSES,)


def zips() -> tuple[bytes, ...]:
    """Archives of masks, stored and deflated, and one without a member."""
    return tuple(content for content in raw("train-masks-") if len(content) < 2000)


@cache
def mask_images() -> tuple[bytes, ...]:
    """Masks of mode 1, L and P."""
    mask = Image.new("L", (40, 23))
    mask.paste(255, (5, 6, 30, 20))
    palette = mask.point(lambda level: 1 if level else 0)
    palette.putpalette(b"\x00\x00\x00\xff\xff\xff")
    content = []
    for image in (mask.convert("1"), mask, palette):
        output = io.BytesIO()
        image.save(output, "PNG")
        content.append(output.getvalue())
    return tuple(content)


def _laid(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def try_rows(data: bytes, folder: Path, *, read: Read, kind: Kind) -> None:
    """All rows are there, as the `csv` module reads them, each with its line and bytes."""
    path = _laid(data, folder, "rows.csv")
    batches = list(read(path))
    lines = [int(line) for batch in batches for line in batch.lines]
    pairs = list(Records(path, kind).batches(Choice(), 1))
    spelled = [row for _, texts in pairs for row in texts]
    assert lines == [line for numbers, _ in pairs for line in numbers] == sorted(set(lines))
    assert len(lines) == len(spelled) == sum(batch.table.num_rows for batch in batches)
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    expected = [fields for fields in csv.reader(io.StringIO(text, newline="")) if fields]
    texts = [row.decode("utf-8", "surrogateescape") for row in spelled]
    again = [next(csv.reader(io.StringIO(row, newline=""))) for row in texts]
    assert again in (expected[1:], expected)
    for batch in batches:
        _check_values(batch)


def _check_values(batch: RowBatch) -> None:
    table = batch.table
    for image_id in table["image_id"].to_pylist():
        assert len(image_id) == 16
        assert set(image_id) <= set("0123456789abcdef")
    if "xmin" in table.column_names:
        for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
            before, after = table[low].to_numpy(), table[high].to_numpy()
            assert (before >= 0).all()
            assert (before <= after).all()
            assert (after <= 1).all()


def try_some_rows(data: bytes, folder: Path, *, read: Read) -> None:
    """Those of one class are those of all that have it, and all rows have as many fields."""
    path = _laid(data, folder, "rows.csv")
    some = [batch.table for batch in read(path, frozenset({BEAR.encode()}))]
    text = data.decode("utf-8", "surrogateescape")
    assert len({len(row) for row in csv.reader(io.StringIO(text, newline="")) if row}) == 1
    every = [batch.table for batch in read(path)]
    found = [row for table in some for row in table.to_pylist()]
    expected = [row for table in every for row in table.to_pylist() if row["label"] == BEAR]
    assert str(found) == str(expected)


def try_class_names(data: bytes, folder: Path) -> None:
    """Each class has a MID and a name, by which it can be called."""
    found = classes.read(_laid(data, folder, "classes.csv"))
    assert found.names
    for mid, name in list(found.names.items())[:20]:
        assert found.mid_of(mid) == mid
        assert name == name.strip() != ""
        assert mid in found.find(mid)
    found.near("Bear")


def try_mids(data: bytes, folder: Path) -> None:
    found = classes.read_mids(_laid(data, folder, "mids.txt"))
    assert found
    assert all(mid.startswith("/") for mid in found)


def try_hierarchy(data: bytes, folder: Path) -> None:
    """No class is below itself, and none stands below another twice."""
    found = hierarchy.read(_laid(data, folder, "tree.json"))
    assert found.children
    for mid in list(found.parents)[:20]:
        below = found.descendants(mid)
        assert mid not in below
        assert len(set(below)) == len(below)


def try_config(data: bytes, folder: Path) -> None:
    """All files are in the table; keys and names lead out of no folder."""
    (folder / "openimages").mkdir(exist_ok=True)
    (folder / "openimages/files.tsv").write_bytes(file_tables()[0])
    found = config.load(_laid(data, folder, "openimages.toml"))
    found.version()
    for split in found.splits.values():
        key = split.image_key("0" * 16)
        assert "0" * 16 in key
        assert not {"", ".", ".."} & set(key.split("/"))
        own: list[Any] = [split.boxes, split.masks, split.labels]
        assert any(own)
        for file in (*own, split.images, *split.mask_archives.values()):
            assert file is None or found.files[file.name] == file


def try_file_table(data: bytes, folder: Path) -> None:
    """Names are fit for files; written again, the table is read as the same."""
    found = file_table.read(_laid(data, folder, "files.tsv"))
    for name, file in found.items():
        assert not names.file_flaw(name)
        assert file.bytes is None or file.bytes > 0
    assert file_table.read(_laid(file_table.rows(found), folder, "again.tsv")) == found


def try_image_list(data: bytes, folder: Path) -> None:
    for split, ids in text_lists.images(_laid(data, folder, "images.txt")).items():
        assert split in {"train", "validation", "test", "challenge2018"}
        assert ids
        assert len(set(ids)) == len(ids)
        assert all(len(each) == 16 and set(each) <= set("0123456789abcdef") for each in ids)


def try_class_list(data: bytes, folder: Path) -> None:
    found = text_lists.classes(_laid(data, folder, "classes.txt"))
    assert found
    assert all(text.strip() for _, text in found)


def try_zip(data: bytes, folder: Path) -> None:
    """Members are files of no folder, lie in the archive, and have their size and CRC-32."""
    path = _laid(data, folder, "masks.zip")
    info = storage.stat(path)
    assert info is not None
    with storage.open_sources(folder) as sources:
        source = OpenArchive(sources, path.name, info, None)
        index = zip_index.read_index(source, len(data), str(path))
        read = list(zipfiles.read_members(source, zipfiles.spans(index), str(path)))
    assert len(read) == index.num_rows == len({member.name for member, _ in read})
    for member, content in read:
        assert not set(member.name) & {"/", "\\", "\0"}
        assert member.name not in {"", ".", ".."}
        assert len(content) == member.size
        assert zlib.crc32(content) == member.crc32


def try_mask(data: bytes, _: Path) -> None:
    """A mask has the size that its header says, and its runs are it again."""
    width, height = mask_size(data)
    mask = decode_mask(data)
    assert mask.shape == (height, width)
    assert is_black(data) == (not mask.any())
    if mask.size <= 1 << 16:
        assert np.array_equal(encode_rle(mask).decode(), mask)
