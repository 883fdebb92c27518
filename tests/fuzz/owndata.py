"""What people bring of their own: archives that are described, and lists with named columns."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from pathlib import Path

import documents
import numpy as np
import pyarrow as pa

from pipeline import names, storage
from pipeline.annotations.voc import parse_annotation
from pipeline.archives.index import ArchiveIndex, verify_and_index
from pipeline.errors import ShardmillError
from pipeline.sources import own_data
from pipeline.sources.ilsvrc2012 import dataset as config
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012.dataset import DatasetConfig, SplitConfig
from pipeline.sources.ilsvrc2012.expectation import expectation
from pipeline.sources.ilsvrc2012.members import archive_rows
from pipeline.sources.ilsvrc2012.rows import build_catalog
from pipeline.sources.imagelist import table_list
from pipeline.sources.imagelist.annotated import coco_file, voc_folder
from pipeline.sources.imagelist.annotated.images import AnnotatedImage
from pipeline.sources.imagelist.columns import PATH_AND_LABEL

_ARCHIVE = "train.tar"
_CONFIG = "own.toml"
_IMAGE = b"\xff\xd8\xff\xe0\0\x10JFIF"
_MOST_NAMES = 200

_CSV = b'path,label\nants/1.jpg,ant\n"bees, 2/a ""b"".jpg",bee\n\nants/3.jpg,ant\n'
_NUMBERS = b"label,width,path\r\n0,640,a/1.jpg\r\n1.5,480,b/2.png\r\n-0,1,a/3.jpg\r\n"
_TSV = b"label\tpath\nant\tants/1.jpg\nbee\tbees/2.jpg\n"
_JSONL = (
    b'{"path": "ants/1.jpg", "label": "ant"}\n{"label": "b\\u00e9e", "path": "bees/2.jpg"}\n\n',
    b'{"path": "a/1.jpg", "label": 0, "more": {"a": [null]}}\n{"path": "b/2", "label": 1.5e0}\n',
)
_NAMES = (
    b"ant/1.jpg\nant/2.jpg\nbee/1.jpg\n",
    b"ant/1.JPEG\nbee/x.JPEG\nbee/.hidden\n",
    b"v_0001.jpg\nv_0002.jpg\nv_0003.jpg\n",
)


_COCO = (
    b'{"images": [{"id": 1, "file_name": "a/1.jpg", "width": 64, "height": 48}, {"id": 2,'
    b' "file_name": "2.jpg", "width": 9, "height": 9}], "categories": [{"id": 3, "name": "ant"}],'
    b' "annotations": [{"id": 7, "image_id": 1, "category_id": 3, "bbox": [0.5, 1, 20, 30.25],'
    b' "iscrowd": 1, "attributes": {"truncated": true}}, {"image_id": 2, "category_id": 3,'
    b' "bbox": [1, 1, 0, 5]}]}'
)
_VOC = (
    b"<annotation><filename>a 1.jpg</filename><size><width>64</width><height>48</height>"
    b"<depth>3</depth></size><object><name>ant</name><truncated>1</truncated><bndbox>"
    b"<xmin>1</xmin><ymin>2</ymin><xmax>64</xmax><ymax>40</ymax></bndbox></object></annotation>"
)


def archives() -> tuple[bytes, ...]:
    """Return tars of class tars, of class folders and of numbered images."""
    of_class = documents.tar_of({"1.jpg": _IMAGE, "2.jpg": _IMAGE})
    class_tars = documents.tar_of({"ant.tar": of_class, "bee.tar": of_class}) + bytes(4096)
    named = (content.decode().splitlines() for content in _NAMES)
    return (class_tars, *(documents.tar_of(dict.fromkeys(each, _IMAGE)) for each in named))


def name_lists() -> tuple[bytes, ...]:
    """Return the names of members or files, a line each."""
    return _NAMES


def comma_lists() -> tuple[bytes, ...]:
    return (_CSV, _NUMBERS)


def tab_lists() -> tuple[bytes, ...]:
    return (_TSV,)


def json_lists() -> tuple[bytes, ...]:
    return _JSONL


def coco_files() -> tuple[bytes, ...]:
    return (_COCO,)


def voc_files() -> tuple[bytes, ...]:
    return (_VOC,)


def try_coco(data: bytes, _: Path) -> None:
    """Paths and names are told apart, and boxes are of classes that the file has."""
    found = coco_file.interpret(coco_file.parse(data))
    assert len({image.path for image in found.images}) == len(found.images) > 0
    assert len({image.number for image in found.images}) == len(found.images)
    for image in found.images:
        _check_annotated(image)
        assert {box.name for box in image.boxes} <= {*found.names}


def try_voc(data: bytes, _: Path) -> None:
    """The boxes of an annotation lie on its image."""
    image, without_area = voc_folder.image_of(parse_annotation(data), "a/1.xml", 0)
    _check_annotated(image)
    assert without_area >= 0


def _check_annotated(image: AnnotatedImage) -> None:
    assert image.width > 0
    assert image.height > 0
    assert not {"", ".", ".."} & {*image.path.split("/")}
    assert not names.has_control(image.path)
    for one in image.boxes:
        xmin, ymin, xmax, ymax = one.box
        assert 0 <= xmin < xmax <= 1
        assert 0 <= ymin < ymax <= 1


def try_describe(data: bytes, folder: Path) -> None:
    """The configuration of an archive has its MD5 and size, and is fulfilled by it."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        raw = Path(scratch, "raw")
        raw.mkdir()
        (raw / _ARCHIVE).write_bytes(data)
        written = _described(raw, Path(scratch))
        (archive,) = written.archives.values()
        assert (archive.md5, archive.bytes) == (hashlib.md5(data).hexdigest(), len(data))
        for split in written.splits.values():
            _check_fulfilled(raw / _ARCHIVE, split, written, Path(scratch))


def try_describe_names(data: bytes, folder: Path) -> None:
    """The same of an archive whose members have any names."""
    listed = [line.decode("utf-8", "surrogateescape") for line in data.split(b"\n")]
    members = {name[:250]: _IMAGE for name in listed[:_MOST_NAMES] if name and "\0" not in name}
    try_describe(documents.tar_of(members, tarfile.PAX_FORMAT), folder)


def try_describe_tree(data: bytes, folder: Path) -> None:
    """A tree with files of any names is described, or refused; the description can be read."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        tree = Path(scratch, "tree")
        (tree / "train").mkdir(parents=True)
        for line in data.split(b"\n")[:_MOST_NAMES]:
            _lay(tree / "train", line.decode("utf-8", "surrogateescape"))
        written = _described(tree, Path(scratch))
        assert written.splits


def _lay(root: Path, name: str) -> None:
    """Write a file at a path below a folder, if that is possible there."""
    parts = [part[:60] for part in name.split("/") if part not in {"", ".", ".."}][:8]
    if not parts or "\0" in name:
        return
    path = root.joinpath(*parts)
    if not any(above.is_file() for above in path.parents) and not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_IMAGE)


def _described(raw: Path, scratch: Path) -> DatasetConfig:
    """Describe a folder twice, to the same end; return what a run reads of it."""
    found = own_data.describe(raw, "own", (), lambda *_: None)
    assert own_data.describe(raw, "own", (), lambda *_: None) == found
    files = {scratch / name: content for name, content in found.companions.items()}
    own_data.write({**files, scratch / _CONFIG: found.text.encode()}, replace=True, remedy="")
    try:
        return config.load(scratch / _CONFIG)
    except ShardmillError as error:
        raise AssertionError("a run refuses what was described") from error


def _check_fulfilled(
    archive: Path, split: SplitConfig, written: DatasetConfig, scratch: Path
) -> None:
    """Check that a run takes each image that was described, and no other."""
    index = scratch / "index.parquet"
    with (
        storage.StagedFile(index) as staged,
        storage.StagedFile(index.with_suffix(".members")) as hashes,
    ):
        verify_and_index(archive, staged, hashes, expected_md5=None, nested=True)
        storage.publish(hashes, staged)
    try:
        table = labels.load_table(written.label_table)
        expected = expectation(split, table, None)
        rows = archive_rows(ArchiveIndex(index), split, table, expected)
        images = sum(part.num_rows for part in build_catalog(rows, split, table, expected, None))
    except ShardmillError as error:
        raise AssertionError("a run refuses what was described") from error
    assert images == sum(expected.counts.values()) > 0


def try_table_list(data: bytes, folder: Path, *, suffix: str) -> None:
    """Paths are told apart and stay below the root; labels are finite, or classes of the table."""
    path = folder / f"images{suffix}"
    path.write_bytes(data)
    opened = table_list.open_list(path, PATH_AND_LABEL, None)
    found = pa.concat_tables(opened.tables())
    found.validate(full=True)
    rows = found.to_pylist()
    assert [row["id"] for row in rows] == list(range(len(rows)))
    assert len({row["path"] for row in rows}) == len(rows) > 0
    for row in rows:
        assert not {"", ".", ".."} & {*row["path"].split("/")}
        assert not names.has_control(row["path"])
    values = found["labels"].combine_chunks().flatten().to_numpy()
    assert len(values) == len(rows)
    assert np.isfinite(values).all()
    if opened.classes is not None:
        known = opened.classes.table
        assert [known.names[int(value)] for value in values] == found["text"].to_pylist()
        assert not any(map(names.folder_flaw, known.names))
