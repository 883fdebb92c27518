"""Draws the images and masks of the drawn set of Open Images."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

from pipeline.sample.archives import chance
from pipeline.sample.openimages_plan import CLASSES, Mask, PlannedImage, PlannedObject
from pipeline.sample.shapes import Scene, draw_scene

_SIDE: Final = (120, 260)
_ORIENTATION, _TURNED = 0x0112, 6  # of EXIF: to be turned clockwise by 90 degrees
_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n"
    b"<body>This network asks you to sign in.</body></html>\n"
)


@dataclass(frozen=True, slots=True)
class DrawnObject:
    """An object that is drawn.

    Attributes:
        planned: what it is.
        box: xmin, xmax, ymin, ymax as fractions of the image.
        box_id: 8 hex digits.
        mask_name: its MaskPath; "": it has no mask.
        mask: the PNG; None: it is not in the archive, or there is none.
        clicks: points of it, as the file of masks has them.
    """

    planned: PlannedObject
    box: tuple[float, float, float, float]
    box_id: str
    mask_name: str
    mask: bytes | None
    clicks: str


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """An image that is drawn; `encoded` is what the bucket has, None: nothing."""

    planned: PlannedImage
    encoded: bytes | None
    objects: tuple[DrawnObject, ...]


def draw(image: PlannedImage, seed: int) -> DrawnImage:
    """Draw an image and its masks: a pure function of the arguments and of the codec."""
    rng = chance(seed, f"{image.split}/{image.image_id}")
    classes = [each.mid for each in image.objects]
    words = CLASSES[classes[0]] if classes else "nothing"
    scene = draw_scene(rng, classes, words, _SIDE)
    objects = tuple(
        _object(image, scene, number, f"{rng.getrandbits(32):08x}")
        for number in range(len(classes))
    )
    return DrawnImage(image, _encoded(image, scene.image), objects)


def _encoded(image: PlannedImage, drawn: Image.Image) -> bytes | None:
    if image.state in {"absent", "page"}:
        return None if image.state == "absent" else _PAGE
    output = io.BytesIO()
    options: dict[str, Any] = {"quality": 85}
    if image.state == "turned":
        exif = Image.Exif()
        exif[_ORIENTATION] = _TURNED
        options["exif"] = exif.tobytes()
    drawn.save(output, "JPEG", **options)
    content = output.getvalue()
    return content[: len(content) // 2] if image.state == "cut" else content


def _object(image: PlannedImage, scene: Scene, number: int, box_id: str) -> DrawnObject:
    planned = image.objects[number]
    mask = scene.mask(number)
    width, height = mask.size
    left, top, right, bottom = mask.getbbox() or (0, 0, width, height)
    box = (left / width, right / width, top / height, bottom / height)
    middle = f"{(box[0] + box[1]) / 2:.5f} {(box[2] + box[3]) / 2:.5f} 1"
    corner = f"{box[0]:.5f} {box[2]:.5f} 0"
    name = f"{image.image_id}_{planned.mid.replace('/', '')}_{box_id}.png"
    return DrawnObject(
        planned=planned,
        box=box,
        box_id=box_id,
        mask_name=name if planned.mask else "",
        mask=_stored(mask, planned.mask) if planned.mask not in {None, "missing"} else None,
        clicks=f"{middle};{corner}",
    )


def _stored(mask: Image.Image, kind: Mask | None) -> bytes:
    """Return a mask as a PNG, in the mode and size of its kind."""
    width, height = mask.size
    if kind == "larger":
        mask = mask.resize((width * 25 // 16, height * 25 // 16), Image.Resampling.NEAREST)
    elif kind == "smaller":
        mask = mask.resize((width * 3 // 4, height * 3 // 4), Image.Resampling.NEAREST)
    elif kind == "misshapen":
        mask = mask.resize((width, height // 2), Image.Resampling.NEAREST)
    elif kind == "black":
        mask = Image.new("L", mask.size)
    if kind == "P":
        indexes = mask.point(lambda level: 1 if level else 0)
        indexes.putpalette(b"\x00\x00\x00\xff\xff\xff")
        mask = indexes
    elif kind != "L":
        mask = mask.convert("1")
    output = io.BytesIO()
    mask.save(output, "PNG")
    return output.getvalue()
