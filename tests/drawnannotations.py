"""Drawn images with boxes, and the annotations of them in the forms of COCO and PASCAL VOC."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawnlists import encoded, lay, size_of

CATEGORIES = ({"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 9, "name": "emu"})
"""No image shows the last one; ids are in another order than names."""
NAMES = tuple(f"{folder}{number}.jpg" for number, folder in enumerate(("", "a/", "a/", "b/") * 2))
"""Every third image has no object, every third one, every third two of two classes."""


@dataclass(frozen=True)
class Annotated:
    """Annotations, and the folder of their images."""

    path: Path
    root: Path

    @property
    def words(self) -> tuple[object, ...]:
        """What follows ``shardmill imagelist``."""
        return self.path, "--root", self.root


def document(root: Path) -> dict[str, Any]:
    """Draw the images into a folder, and return what COCO says of them."""
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, name in enumerate(NAMES):
        content = encoded(number)
        lay(root / name, content)
        width, height = size_of(content)
        image = {"id": 100 + number, "file_name": name, "width": width, "height": height}
        images.append({**image, "license": 1})
        annotations += (
            {
                "id": 10 * number + place,
                "image_id": 100 + number,
                "category_id": CATEGORIES[place]["id"],
                "bbox": [3.0 + place, 5.0, 10.0, 9.5],
                "iscrowd": int(number == 5),
                "segmentation": [[1.0, 2.0]],
                "attributes": {"truncated": place == 1, "difficult": number == 4, "more": "x"},
            }
            for place in range(number % 3)
        )
    return {"images": images, "categories": list(CATEGORIES), "annotations": annotations}


def draw_coco(folder: Path, name: str = "instances_train.json") -> Annotated:
    """Draw images with annotations of COCO."""
    said = document(folder / "images")
    return Annotated(lay(folder / name, json.dumps(said).encode()), folder / "images")


def draw_voc(folder: Path) -> Annotated:
    """Draw images with annotations of VOC: a cat on every image, on every second another one."""
    for number in range(4):
        content = encoded(number)
        lay(folder / "JPEGImages" / f"{number}.jpg", content)
        objects = "".join(
            f"<object><name>cat</name><difficult>{number % 2}</difficult><bndbox><xmin>{1 + place}"
            "</xmin><ymin>2</ymin><xmax>12</xmax><ymax>20</ymax></bndbox></object>"
            for place in range(1 + number % 2)
        )
        lay(folder / "Annotations" / f"{number}.xml", voc(f"{number}.jpg", objects, content))
    return Annotated(folder / "Annotations", folder / "JPEGImages")


def voc(filename: str, objects: str, content: bytes = b"", *, size: str = "") -> bytes:
    """Return an annotation of an image."""
    width, height = size_of(content) if content else (50, 40)
    size = size or f"<size><width>{width}</width><height>{height}</height></size>"
    return f"<annotation><filename>{filename}</filename>{size}{objects}</annotation>".encode()
