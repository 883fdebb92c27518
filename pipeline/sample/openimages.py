"""A small data set in the shape of Open Images, drawn rather than photographed.

Below its folder are ``raw/`` (the files of boxes, masks, labels and images, class names, hierarchy
and mask archives, under their published names), ``bucket/`` (the images, as the public bucket has
them) and ``openimages.toml``, a configuration with the sizes and MD5s of all of these files.
`openimages_plan.plan` says what is odd about which image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipeline.errors import UsageError
from pipeline.sample import openimages_files as files
from pipeline.sample.openimages_drawing import DrawnImage, draw
from pipeline.sample.openimages_plan import LEAST_OTHER, LEAST_TRAIN, SPLITS, plan
from pipeline.sample.publishing import publish

CONFIG: Final = "openimages.toml"
TABLE: Final = "openimages/files.tsv"
RAW, BUCKET = "raw", "bucket"
_MOST_IMAGES: Final = 20_000
_CLASSES: Final = "class-descriptions-boxable.csv"
_CLASSES_V7: Final = "oidv7-class-descriptions-boxable.csv"
_WITH_MASKS: Final = "classes-segmentation.txt"
_HIERARCHY: Final = "bbox_labels_600_hierarchy.json"
_BOXES: Final = {
    "train": "oidv6-train-annotations-bbox.csv",
    "validation": "validation-annotations-bbox.csv",
    "test": "test-annotations-bbox.csv",
}
_IMAGES: Final = {
    "train": "train-images-boxable-with-rotation.csv",
    "validation": "validation-images-with-rotation.csv",
    "test": "test-images-with-rotation.csv",
}
_HEAD: Final = f"""\
# A sample of Open Images' shape, drawn by shardmill.

dataset = "openimages-sample"
files = "{TABLE}"
bucket = "{BUCKET}"

[versions.v6]
classes = "{_CLASSES}"
segmentation_classes = "{_WITH_MASKS}"
hierarchy = "{_HIERARCHY}"

[versions.v7]
classes = "{_CLASSES_V7}"
"""
_SPLIT: Final = """
[splits.{split}]
key = "{split}/{{id}}.jpg"
boxes = "{boxes}"
masks = "{split}-annotations-object-segmentation.csv"
mask_archives = "{split}-masks-{{digit}}.zip"
labels = "{split}-annotations-human-imagelabels-boxable.csv"
images = "{images}"
"""


def draw_openimages(
    folder: Path,
    *,
    train_images: int = LEAST_TRAIN,
    other_images: int = LEAST_OTHER,
    seed: int = 0,
    url: str = "",
) -> Path:
    """Draw a sample of Open Images' shape into a folder.

    The bytes are a pure function of the arguments and of the codec. The whole sample is held in
    memory, some 12 KB for each image, and its files appear together.

    Args:
        folder: made if it is absent.
        train_images: how many training images have objects, 24 to 20,000; two more have none.
        other_images: likewise of validation and of test, 8 to 20,000.
        seed: other images for another seed.
        url: the address of the folder that files of RAW are fetched from; "": they have none.

    Returns:
        The path of the configuration that describes it.

    Raises:
        UsageError: a number is out of its range.
        OutputConflict: the folder holds other files of these names, and no sample.
    """
    _check("train_images", train_images, LEAST_TRAIN)
    _check("other_images", other_images, LEAST_OTHER)
    images = [
        draw(each, seed)
        for each in plan(train_images=train_images, other_images=other_images, seed=seed)
    ]
    raw = _raw(images, seed)
    content = {f"{RAW}/{name}": data for name, data in raw.items()}
    for image in images:
        if image.encoded is not None:
            path = f"{BUCKET}/{image.planned.split}/{image.planned.image_id}.jpg"
            content[path] = image.encoded
    content[TABLE] = table(raw, url)
    content[CONFIG] = configuration()
    publish(folder, content, CONFIG)
    return folder / CONFIG


def table(raw: Mapping[str, bytes], url: str = "") -> bytes:
    """Return the table of files: their names, sizes, MD5s and addresses.

    Nobody has pinned the hierarchy, as that of Open Images.

    Args:
        raw: name -> content.
        url: the address of the folder that they are fetched from; "": they have none.
    """
    rows = [("path", "bytes", "md5_hex", "url")]
    for name, data in raw.items():
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        pin = ("-", "-") if name == _HIERARCHY else (str(len(data)), md5)
        rows.append((name, *pin, f"{url}/{name}" if url else "-"))
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _raw(images: list[DrawnImage], seed: int) -> dict[str, bytes]:
    raw = {
        _CLASSES: files.class_names("v6"),
        _CLASSES_V7: files.class_names("v7"),
        _WITH_MASKS: files.segmentation_classes(),
        _HIERARCHY: files.hierarchy(),
    }
    for split in SPLITS:
        own = [image for image in images if image.planned.split == split]
        raw[_BOXES[split]] = files.boxes(own, split)
        raw[f"{split}-annotations-object-segmentation.csv"] = files.masks(own, split, seed)
        raw[f"{split}-annotations-human-imagelabels-boxable.csv"] = files.labels(own)
        raw[_IMAGES[split]] = files.attribution(own, split, seed)
        for digit, archive in files.mask_archives(own).items():
            raw[f"{split}-masks-{digit}.zip"] = archive
    return raw


def configuration() -> bytes:
    """Return the configuration of a set whose files have the names of those of this one."""
    text = _HEAD
    for split in SPLITS:
        text += _SPLIT.format(split=split, boxes=_BOXES[split], images=_IMAGES[split])
    return text.encode()


def _check(name: str, value: int, least: int) -> None:
    if not least <= value <= _MOST_IMAGES:
        raise UsageError(
            f"{name} is out of its range", expected=f"{least} to {_MOST_IMAGES}", found=str(value)
        )
