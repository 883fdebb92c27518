"""Every source of the table in README.md, drawn: what is in it, and the command that reads it."""

from __future__ import annotations

import csv
import hashlib
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import shardmill
from drawnannotations import CATEGORIES, draw_coco, draw_voc
from drawnlists import encoded, lay, size_of
from drawnshards import mds, mds_index, parquet, recordio, tar, tfrecords, zipped
from drawntrees import CLASSES, PER_CLASS, TreeSet, draw_tree
from PIL import Image

from pipeline.sample.openimages import draw_openimages

DETECTION = ("--labels", "detection")
BOX = (0.25, 0.5, 0.75, 1.0)
IMAGES = 6
MIDS = ("/m/01dws", "/m/01dwsz")  # of Open Images, a bear and a waffle

Objects = Sequence[tuple[float, ...]]
"""Label and corners of each object, sorted."""


@dataclass(frozen=True)
class Shown:
    """An image, its label and what is on it."""

    content: bytes
    label: int
    objects: Objects = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the image."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Drawn:
    """A source: the command that reads it, and what is in it."""

    words: Sequence[object]
    images: Sequence[Shown]


def drawn(number: int, *boxes: tuple[float, ...]) -> Shown:
    """Return an image of class 0, 1 or 2, on which objects are of the same class."""
    label = number % 3
    return Shown(encoded(number), label, [(label, *box) for box in boxes])


def plain() -> list[Shown]:
    return [drawn(number) for number in range(IMAGES)]


def boxed() -> list[Shown]:
    """Images with an object, but for the last, which has none."""
    return [drawn(number, *[BOX] * (number < IMAGES - 1)) for number in range(IMAGES)]


def class_folders() -> dict[str, bytes]:
    return {f"photos/{'abc'[n % 3]}/{n}.jpg": encoded(n) for n in range(IMAGES)}


def the_tree(folder: Path) -> tuple[TreeSet, list[Shown]]:
    """Draw class folders of two WNIDs with annotations of 100 times 40 pixels."""
    tree, box = draw_tree(folder), (0.1, 0.25, 0.5, 0.5)
    shown = [
        Shown(tree.image(number, wnid).read_bytes(), place, [(place, *box)])
        for place, wnid in enumerate(CLASSES)
        for number in range(PER_CLASS)
    ]
    return tree, shown


def class_tars(tree: TreeSet, raw: Path) -> Path:
    """Write the images of a tree as a tar of class tars."""
    tars = {}
    for wnid in CLASSES:
        paths = [tree.image(number, wnid) for number in range(PER_CLASS)]
        packed = tar(raw.parent / f"{wnid}.tar", [(path.name, path.read_bytes()) for path in paths])
        tars[packed.name] = packed.read_bytes()
    return tar(raw / "train.tar", tars.items())


def imagenet_archives(folder: Path) -> Drawn:
    tree, shown = the_tree(folder)
    archives = [class_tars(tree, folder / "raw"), folder / "raw/boxes.tgz"]
    with tarfile.open(archives[1], "w:gz") as packed:
        packed.add(tree.tree / "bboxes", "Annotation")
    config = tree.config.read_text()
    for number, archive in enumerate(archives):
        digest = hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
        config = config.replace(f"{number:032x}", digest)
    tree.config.write_text(config)
    words = ("imagenet", "--raw", folder / "raw", "--config", tree.config, "--label-offset", 0)
    return Drawn(words, shown)


def imagenet_tree(folder: Path) -> Drawn:
    tree, shown = the_tree(folder)
    words = ("imagenet", "--tree", tree.tree, "--config", tree.config, "--label-offset", 0)
    return Drawn(words, shown)


def described_tars(folder: Path) -> Drawn:
    tree, shown = the_tree(folder)
    raw, config = class_tars(tree, folder / "raw").parent, folder / "own.toml"
    assert shardmill("describe", raw, "--out", config).returncode == 0
    words = ("imagenet", "--raw", raw, "--config", config, "--label-offset", 0)
    return Drawn(words, [Shown(each.content, each.label) for each in shown])


def folder_of_classes(folder: Path) -> Drawn:
    for name, content in class_folders().items():
        lay(folder / name, content)
    return Drawn(("imagelist", folder / "photos", "--recursive"), plain())


def list_of(folder: Path, name: str, line: Callable[[int, str, int], str], head: str = "") -> Drawn:
    """Draw images and a list of them; `line` is of a number, a path and a label."""
    lines = head
    for number, each in enumerate(plain()):
        lay(folder / f"images/{number}.jpg", each.content)
        lines += line(number, f"{number}.jpg", each.label) + "\n"
    path = lay(folder / name, lines.encode())
    return Drawn(("imagelist", path, "--root", folder / "images"), plain())


def list_csv(folder: Path) -> Drawn:
    return list_of(folder, "l.csv", lambda _, path, label: f"{path},{label}", "path,label\n")


def list_tsv(folder: Path) -> Drawn:
    return list_of(folder, "l.tsv", lambda _, path, label: f"{path}\t{label}", "path\tlabel\n")


def list_jsonl(folder: Path) -> Drawn:
    return list_of(folder, "l.jsonl", lambda _, p, label: json.dumps({"path": p, "label": label}))


def list_of_im2rec(folder: Path) -> Drawn:
    return list_of(folder, "l.lst", lambda number, path, label: f"{number}\t{label}\t{path}")


def shards_tfrecord(folder: Path) -> Drawn:
    examples = []
    for number, each in enumerate(boxed()):
        example: dict[str, object] = {"image/encoded": each.content}
        example |= {"image/class/label": [each.label], "image/filename": f"{number}.jpg"}
        for side, corner in zip(("xmin", "ymin", "xmax", "ymax"), BOX, strict=True):
            example |= {f"image/object/bbox/{side}": [corner] for _ in each.objects}
        if each.objects:
            example["image/object/class/label"] = [each.label]
        examples.append(example)
    path = tfrecords(folder / "in/train.tfrecord-00000-of-00001", examples)
    return Drawn(("reshard", path.parent, *DETECTION), boxed())


def shards_recordio(folder: Path) -> Drawn:
    recordio(folder / "in/train.rec", [(each.content, each.label) for each in plain()])
    return Drawn(("reshard", folder / "in"), plain())


def samples(shown: Sequence[Shown]) -> list[tuple[str, bytes]]:
    """Return the files of samples of WebDataset."""
    files = []
    for number, each in enumerate(shown):
        facts = json.dumps({"boxes": [box for _, *box in each.objects]}).encode()
        files += [(f"{number}.jpg", each.content), (f"{number}.cls", b"%d" % each.label)]
        files.append((f"{number}.json", facts))
    return files


def shards_webdataset(folder: Path) -> Drawn:
    tar(folder / "in/train-0.tar", samples(boxed()[:4]))
    tar(folder / "in/train-1.tar", samples(boxed()[4:]))
    return Drawn(("reshard", folder / "in"), boxed())


def tar_of_samples(folder: Path) -> Drawn:
    return Drawn(("imagelist", tar(folder / "photos.tar", samples(boxed()))), boxed())


def tar_of_classes(folder: Path) -> Drawn:
    path = tar(folder / "photos.tar", class_folders().items())
    return Drawn(("imagelist", path), plain())


def zip_of_classes(folder: Path) -> Drawn:
    path = zipped(folder / "photos.zip", class_folders().items(), zipfile.ZIP_DEFLATED)
    return Drawn(("imagelist", path), plain())


def rows_of_parquet(path: Path) -> Path:
    """Write rows as datasets has them, objects in pixels."""
    rows = []
    for number, each in enumerate(boxed()):
        width, height = size_of(each.content)
        bbox = [BOX[0] * width, BOX[1] * height, 0.5 * width, 0.5 * height]
        objects = {"bbox": [bbox for _ in each.objects]}
        objects["category"] = [label for label, *_ in each.objects]  # type: ignore[misc]
        image = {"bytes": each.content, "path": f"{number}.jpg"}
        row = {"image": image, "label": each.label, "width": width, "height": height}
        rows.append({**row, "objects": objects})
    return parquet(path, rows)


def shards_parquet(folder: Path) -> Drawn:
    rows_of_parquet(folder / "in/train-00000-of-00001.parquet")
    return Drawn(("reshard", folder / "in", *DETECTION), boxed())


def parquet_file(folder: Path) -> Drawn:
    return Drawn(("imagelist", rows_of_parquet(folder / "photos.parquet"), *DETECTION), boxed())


def shards_mds(folder: Path) -> Drawn:
    columns = {"image": "jpeg", "label": "int"}
    rows = [{"image": each.content, "label": struct.pack("<q", each.label)} for each in plain()]
    mds(folder / "in/train/shard.00000.mds", columns, rows)
    mds_index(folder / "in/train", ["shard.00000.mds"])
    return Drawn(("reshard", folder / "in"), plain())


def finished_output(folder: Path) -> Drawn:
    made = shards_webdataset(folder)
    run = shardmill(*made.words, "--out", folder / "made", "--format", "tfrecord")
    assert run.returncode == 0, run.stderr
    return Drawn(("reshard", folder / "made"), boxed())


def annotated_coco(folder: Path) -> Drawn:
    found = draw_coco(folder)
    said = json.loads(found.path.read_text())
    places = {
        each["id"]: at
        for at, each in enumerate(sorted(CATEGORIES, key=lambda each: str(each["id"])))
    }
    shown = []
    for image in said["images"]:
        content = (found.root / image["file_name"]).read_bytes()
        width, height = size_of(content)
        objects = list[tuple[float, ...]]()
        for each in said["annotations"]:
            if each["image_id"] == image["id"]:
                x, y, wide, high = each["bbox"]
                corners = (x / width, y / height, (x + wide) / width, (y + high) / height)
                objects.append((places[each["category_id"]], *corners))
        shown.append(Shown(content, -1, sorted(objects)))
    return Drawn(("imagelist", *found.words, *DETECTION), shown)


def annotated_voc(folder: Path) -> Drawn:
    found, shown = draw_voc(folder), []
    for number in range(4):
        content = (found.root / f"{number}.jpg").read_bytes()
        width, height = size_of(content)
        corners = [(place / width, 1 / height, 12 / width, 20 / height) for place in (0, 1)]
        objects = [(0.0, *each) for each in corners[: 1 + number % 2]]
        shown.append(Shown(content, 0, objects))
    return Drawn(("imagelist", *found.words, *DETECTION), shown)


def is_whole(path: Path) -> bool:
    """Whether a file is there and is an image; the drawn set has others."""
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


def open_images(folder: Path) -> Drawn:
    draw_openimages(folder / "drawn")
    raw, objects = folder / "drawn/raw", dict[Path, list[tuple[float, ...]]]()
    for split in ("train", "validation", "test"):
        name = f"{split}-annotations-bbox.csv"
        with (raw / (f"oidv6-{name}" if split == "train" else name)).open(newline="") as file:
            for row in csv.DictReader(file):
                image = folder / f"drawn/bucket/{split}/{row['ImageID']}.jpg"
                if is_whole(image) and row["LabelName"] in MIDS and float(row["Confidence"]):
                    box = [float(row[side]) for side in ("XMin", "YMin", "XMax", "YMax")]
                    found = (MIDS.index(row["LabelName"]), *box)
                    objects.setdefault(image, []).append(found)
    where = ("--raw", raw, "--config", folder / "drawn/openimages.toml")
    classes = [word for mid in MIDS for word in ("--class", mid)]
    words = ("openimages", *where, *classes, "--label-offset", 0, *DETECTION)
    return Drawn(words, [Shown(path.read_bytes(), -1, found) for path, found in objects.items()])


SOURCES: Mapping[str, Callable[[Path], Drawn]] = {
    source.__name__: source
    for source in (
        *(imagenet_archives, imagenet_tree, described_tars, folder_of_classes),
        *(list_csv, list_tsv, list_jsonl, list_of_im2rec),
        *(shards_tfrecord, shards_recordio, shards_webdataset, shards_parquet, shards_mds),
        *(finished_output, tar_of_samples, tar_of_classes, zip_of_classes, parquet_file),
        *(annotated_coco, annotated_voc, open_images),
    )
}
"""What the table of README.md has in its first column."""
