"""The real mini set of Open Images, its fifteen images re-keyed into three splits.

An image keeps its bytes and gets another first digit, so that many digits occur; boxes, masks and
names of masks follow it.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support import ROOT

from pipeline.sample import openimages as sample
from pipeline.sources.openimages.places import DIGITS, SPLITS

DOG, PIZZA, TAXI = "/m/0bt9lr", "/m/0663v", "/m/0pg52"
BOXES = {
    "train": "oidv6-train-annotations-bbox.csv",
    "validation": "validation-annotations-bbox.csv",
    "test": "test-annotations-bbox.csv",
}
INFO = {
    "train": "train-images-boxable-with-rotation.csv",
    "validation": "validation-images-with-rotation.csv",
    "test": "test-images-with-rotation.csv",
}
_INFO_COLUMNS = (
    "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title,"
    "OriginalSize,OriginalMD5,Thumbnail300KURL,Rotation"
)
_LABEL_COLUMNS = "ImageID,Source,LabelName,Confidence"


@dataclass(frozen=True)
class Rekeyed:
    """An image: its real ImageID, and its split and ImageID here."""

    real: str
    split: str
    image_id: str


def mini_openimages() -> Path | None:
    """Return the folder of the real mini set, if it is there."""
    given = os.environ.get("SHARDMILL_TEST_DATA")
    data = Path(given) if given else ROOT.parent / "shared" / "data"
    source = data / "openimages-mini"
    return source if source.is_dir() else None


def rekeyed(source: Path) -> list[Rekeyed]:
    """Return the images in the order of their real ImageIDs; their splits take turns."""
    real = sorted(path.stem for path in (source / "bucket/test").iterdir())
    return [
        Rekeyed(name, SPLITS[number % 3], f"{number:x}{name[1:]}")
        for number, name in enumerate(real)
    ]


def write_set(source: Path, folder: Path) -> None:
    """Write the set: `openimages.toml`, `raw/` and `bucket/`, as the drawn one has them."""
    images = {each.real: each for each in rekeyed(source)}
    raw = _classes(source)
    for split in SPLITS:
        own = {name: each for name, each in images.items() if each.split == split}
        raw[BOXES[split]] = _rows(source / "csv/test-annotations-bbox.csv", own)
        masks = f"{split}-annotations-object-segmentation.csv"
        raw[masks] = _rows(source / "csv/test-annotations-object-segmentation.csv", own)
        raw[f"{split}-annotations-human-imagelabels-boxable.csv"] = _labels(raw[BOXES[split]])
        raw[INFO[split]] = _info(own.values())
        archives = _archives(source / "masks/test-masks-0.zip", own)
        raw |= {f"{split}-masks-{digit}.zip": content for digit, content in archives.items()}
    for name, content in raw.items():
        _write(folder / sample.RAW / name, content)
    for each in images.values():
        content = (source / f"bucket/test/{each.real}.jpg").read_bytes()
        _write(folder / sample.BUCKET / each.split / f"{each.image_id}.jpg", content)
    _write(folder / sample.TABLE, sample.table(raw))
    _write(folder / sample.CONFIG, sample.configuration())


def _classes(source: Path) -> dict[str, bytes]:
    files = source / "csv"
    v4 = files / "class-descriptions-boxable.v4.csv"  # in the form of the file of V6
    return {
        "class-descriptions-boxable.csv": v4.read_bytes(),
        "oidv7-class-descriptions-boxable.csv": (
            files / "oidv7-class-descriptions-boxable.csv"
        ).read_bytes(),
        "classes-segmentation.txt": f"{DOG}\n{PIZZA}\n{TAXI}\n".encode(),
        "bbox_labels_600_hierarchy.json": (files / "bbox_labels_600_hierarchy.json").read_bytes(),
    }


def _rows(file: Path, images: Mapping[str, Rekeyed]) -> bytes:
    """Return the rows of a CSV file that are of some images, re-keyed."""
    with file.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    column = header.index("ImageID")
    own = [_renamed(row, images[row[column]]) for row in rows if row[column] in images]
    return _csv(header, own)


def _renamed(row: Sequence[str], image: Rekeyed) -> list[str]:
    return [cell.replace(image.real, image.image_id) for cell in row]


def _labels(boxes: bytes) -> bytes:
    """Return a label for each class of each image that boxes are of."""
    rows = csv.DictReader(io.StringIO(boxes.decode()))
    pairs = dict.fromkeys((row["ImageID"], row["LabelName"]) for row in rows)
    lines = [[image, "verification", mid, "1"] for image, mid in pairs]
    return _csv(_LABEL_COLUMNS.split(","), lines)


def _info(images: Iterable[Rekeyed]) -> bytes:
    """Return a row for each image; who took it is not known here."""
    rows = [[each.image_id, each.split, *[""] * 9, "0.0"] for each in images]
    return _csv(_INFO_COLUMNS.split(","), rows)


def _archives(file: Path, images: Mapping[str, Rekeyed]) -> dict[str, bytes]:
    """Return an archive of masks for each digit."""
    buffers = {digit: io.BytesIO() for digit in DIGITS}
    archives = {digit: zipfile.ZipFile(buffer, "w") for digit, buffer in buffers.items()}
    with zipfile.ZipFile(file) as real:
        for name in real.namelist():
            image = images.get(name[:16])
            if image is not None:
                member = zipfile.ZipInfo(name.replace(image.real, image.image_id))
                archives[image.image_id[0]].writestr(member, real.read(name))
    for archive in archives.values():
        archive.close()
    return {digit: buffer.getvalue() for digit, buffer in buffers.items()}


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    output = io.StringIO(newline="")
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return output.getvalue().encode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
