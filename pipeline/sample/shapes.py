"""Draws one image of the sample: coloured shapes on a textured ground, a look for each class.

An image depends on its random generator and its class alone, so any one can be drawn again.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image, ImageChops, ImageDraw, ImageFont

PixelBox = tuple[int, int, int, int]
Encoding = Literal["usual", "gray", "progressive", "full-chroma", "cmyk", "png"]
_Colour = tuple[int, int, int]
_Point = tuple[float, float]

_SIDE = (220, 500)
_MARGIN = 3
_LABEL_HEIGHT = 18
_MAX_OBJECTS = 3
_PLACING_TRIES = 25
_RADIUS = (0.15, 0.33)  # of the shorter side
_TILT = math.pi / 8
_SQUEEZE = 0.7
_OUTLINE_POINTS = 240
_OVERSAMPLING = 4
_RIM, _CORE = 0.82, 0.4  # of the radius
_OPAQUE = 128
_HUES = 12
_PATTERNS = ("plain", "core", "stripes", "spots")

_JPEG = {"quality": 85, "subsampling": "4:2:0"}
_ENCODINGS: Mapping[Encoding, tuple[str, str, Mapping[str, Any]]] = {  # mode, format, options
    "usual": ("RGB", "JPEG", _JPEG),
    "gray": ("L", "JPEG", {"quality": 85}),
    "progressive": ("RGB", "JPEG", {**_JPEG, "progressive": True}),
    "full-chroma": ("RGB", "JPEG", {**_JPEG, "subsampling": "4:4:4"}),
    "cmyk": ("CMYK", "JPEG", {"quality": 85}),
    "png": ("RGBA", "PNG", {}),
}


def _polygon(corners: int) -> Callable[[float], float]:
    half = math.pi / corners
    return lambda angle: math.cos(half) / math.cos(angle % (2 * half) - half)


def _star(points: int, depth: float) -> Callable[[float], float]:
    half = math.pi / points
    return lambda angle: depth + (1 - depth) * abs(angle % (2 * half) - half) / half


def _flower(petals: int) -> Callable[[float], float]:
    return lambda angle: 0.72 + 0.28 * math.cos(petals * angle)


def _gear(teeth: int) -> Callable[[float], float]:
    return lambda angle: 1.0 if (angle * teeth / math.pi) % 2 < 1 else 0.74


# Each shape is its outline in polar form: the radius, at most 1, by the angle.
_SHAPES: Mapping[str, Callable[[float], float]] = {
    "disc": lambda _: 1.0,
    "triangle": _polygon(3),
    "square": _polygon(4),
    "pentagon": _polygon(5),
    "star": _star(5, 0.42),
    "burst": _star(12, 0.62),
    "clover": _flower(3),
    "blossom": _flower(6),
    "gear": _gear(8),
    "cross": lambda angle: min(1.0, 0.72 / max(0.1, abs(math.sin(2 * angle)))),
    "drop": lambda angle: 0.55 + 0.45 * max(0.0, math.cos(angle)) ** 6,
    "bean": lambda angle: 0.7 + 0.3 * math.sin(angle) * math.sin(2 * angle),
}


@dataclass(frozen=True, slots=True)
class Style:
    """How the objects of a class look: a shape, a hue in degrees, a pattern."""

    shape: str
    hue: int
    pattern: str

    def colour(self, saturation: float, value: float, turn: int = 0) -> _Colour:
        """Return 8-bit RGB of the hue, turned by so many degrees."""
        hue = (self.hue + turn) % 360 / 360
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
        return round(red * 255), round(green * 255), round(blue * 255)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn image.

    Attributes:
        encoded: the file's bytes.
        width: pixels.
        height: pixels.
        boxes: of each object (xmin, ymin, xmax, ymax): its first column and row, and one past
            its last.
    """

    encoded: bytes
    width: int
    height: int
    boxes: tuple[PixelBox, ...]


def class_style(wnid: str) -> Style:
    """Return the look of a class: a pure function of its WNID."""
    number = int.from_bytes(hashlib.blake2b(wnid.encode(), digest_size=8).digest())
    number, shape = divmod(number, len(_SHAPES))
    number, hue = divmod(number, _HUES)
    pattern = _PATTERNS[number % len(_PATTERNS)]
    return Style(list(_SHAPES)[shape], hue * 360 // _HUES, pattern)


def draw_image(
    rng: random.Random, wnid: str, words: str, *, encoding: Encoding = "usual"
) -> Drawing:
    """Draw one to three objects of a class, with its words small in the lower left corner.

    Args:
        rng: decides everything but the look of the class.
        wnid: the class.
        words: its synonyms, separated by commas; the first is lettered.
        encoding: ``usual`` is a baseline JPEG of 4:2:0.
    """
    ground = _ground(rng, (_side(rng, _SIDE), _side(rng, _SIDE)))
    places = _places(rng, ground.size, rng.randint(1, _MAX_OBJECTS))
    scene = _painted(rng, ground, [(wnid, place) for place in places], words)
    mode, form, options = _ENCODINGS[encoding]
    output = io.BytesIO()
    scene.image.convert(mode).save(output, form, **options)
    boxes = tuple(_opaque(mask).getbbox() or (0, 0, *mask.size) for mask in scene.masks)
    return Drawing(output.getvalue(), *scene.image.size, boxes)


@dataclass(frozen=True, slots=True)
class Scene:
    """An image that is drawn and not encoded yet, with the mask of each object.

    Attributes:
        image: RGB.
        masks: of the image's size, mode L: how much of each pixel an object covers, 0 to 255.
    """

    image: Image.Image
    masks: tuple[Image.Image, ...]

    def mask(self, number: int) -> Image.Image:
        """Return the mask of an object: mode L, 255 where the object is, else 0."""
        return _opaque(self.masks[number])


def draw_scene(
    rng: random.Random, classes: Sequence[str], words: str, side: tuple[int, int]
) -> Scene:
    """Draw one object of each of some classes, which do not overlap.

    Args:
        rng: decides everything but the looks of the classes.
        classes: ids, as many as there are objects; the same may occur again.
        words: lettered, up to the first comma.
        side: least and most pixels of a side.
    """
    ground = _ground(rng, (_side(rng, side), _side(rng, side)))
    places: list[tuple[int, int, int]] = []
    while len(places) < len(classes):
        places = _places(rng, ground.size, len(classes))
    return _painted(rng, ground, list(zip(classes, places, strict=True)), words)


def _painted(
    rng: random.Random,
    ground: Image.Image,
    objects: Sequence[tuple[str, tuple[int, int, int]]],
    words: str,
) -> Scene:
    masks = []
    for class_id, (x, y, radius) in objects:
        paint, cover = _object(rng, class_style(class_id), radius)
        ground.paste(paint, (x - radius, y - radius), cover)
        mask = Image.new("L", ground.size)
        mask.paste(cover, (x - radius, y - radius))
        masks.append(mask)
    image = _grained(rng, ground, cell=1, strength=18)
    _letter(image, words.partition(",")[0])
    return Scene(image, tuple(masks))


def _opaque(mask: Image.Image) -> Image.Image:
    return mask.point(lambda coverage: 255 if coverage >= _OPAQUE else 0)


def _side(rng: random.Random, limits: tuple[int, int]) -> int:
    return round(rng.triangular(*limits))


def _ground(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    """A gradient through twelve muted colours, with cloud and cloth over it."""
    tint = [rng.randint(0, 40) for _ in range(3)]
    cells = b""
    for _ in range(12):
        level = rng.randint(70, 170)
        cells += bytes(level + shade + rng.randint(0, 16) for shade in tint)
    image = Image.frombytes("RGB", (4, 3), cells).resize(size, Image.Resampling.BICUBIC)
    for cell, strength in ((24, 60), (5, 36)):
        image = _grained(rng, image, cell, strength)
    return image


def _grained(rng: random.Random, image: Image.Image, cell: int, strength: int) -> Image.Image:
    """Add gray noise of so many levels, its grains `cell` pixels wide."""
    width, height = (side // cell + 1 for side in image.size)
    grain = Image.frombytes("L", (width, height), rng.randbytes(width * height))
    if cell > 1:
        grain = grain.resize(image.size, Image.Resampling.BICUBIC)
    grain = grain.crop((0, 0, *image.size)).point(lambda level: level * strength // 256)
    return ImageChops.add(image, Image.merge("RGB", (grain,) * 3), offset=-strength // 2)


def _places(rng: random.Random, size: tuple[int, int], wanted: int) -> list[tuple[int, int, int]]:
    """Centre and radius of up to `wanted` objects, clear of one another, edges and lettering."""
    width, height = size[0], size[1] - _LABEL_HEIGHT
    places: list[tuple[int, int, int]] = []
    for _ in range(_PLACING_TRIES):
        radius = round(rng.uniform(*_RADIUS) * min(width, height))
        x = rng.randint(radius + _MARGIN, width - radius - _MARGIN)
        y = rng.randint(radius + _MARGIN, height - radius - _MARGIN)
        if all(math.hypot(x - a, y - b) > radius + r + _MARGIN for a, b, r in places):
            places.append((x, y, radius))
        if len(places) == wanted:
            break
    return places


def _object(rng: random.Random, style: Style, radius: int) -> tuple[Image.Image, Image.Image]:
    """Return the paint and the coverage mask of an object, in a square of twice the radius."""
    side = 2 * radius * _OVERSAMPLING
    outline = _outline(rng, style.shape)
    mask = _filled(outline, side, 1.0)
    inside = _filled(outline, side, _RIM)
    paint = Image.new("RGB", (side, side), style.colour(0.95, 0.4))
    paint.paste(style.colour(0.85, 0.95), (0, 0), inside)
    if style.pattern == "core":
        paint.paste(style.colour(0.6, 1.0, turn=150), (0, 0), _filled(outline, side, _CORE))
    elif style.pattern != "plain":
        pattern = ImageChops.darker(inside, _pattern(style.pattern, side))
        paint.paste(style.colour(0.6, 1.0, turn=150), (0, 0), pattern)
    return paint.reduce(_OVERSAMPLING), mask.reduce(_OVERSAMPLING)


def _outline(rng: random.Random, shape: str) -> list[_Point]:
    """The outline in the unit circle, tilted and squeezed a little."""
    tilt, squeeze = rng.uniform(-_TILT, _TILT) - math.pi / 2, rng.uniform(_SQUEEZE, 1.0)
    points = []
    for step in range(_OUTLINE_POINTS):
        angle = 2 * math.pi * step / _OUTLINE_POINTS
        reach = _SHAPES[shape](angle)
        points.append((squeeze * reach * math.cos(angle + tilt), reach * math.sin(angle + tilt)))
    return points


def _filled(outline: list[_Point], side: int, scale: float) -> Image.Image:
    mask = Image.new("L", (side, side))
    half = side / 2
    points = [(half + half * scale * x, half + half * scale * y) for x, y in outline]
    ImageDraw.Draw(mask).polygon(points, fill=255)
    return mask


def _pattern(name: str, side: int) -> Image.Image:
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    step = side // 7
    for row in range(0, side, step):
        if name == "stripes":
            draw.rectangle((0, row, side, row + step // 2), fill=255)
            continue
        for column in range(row // step % 2 * step // 2, side, step):
            draw.ellipse((column, row, column + step // 2, row + step // 2), fill=255)
    return mask


def _letter(image: Image.Image, text: str) -> None:
    """Letter a text on a dark plate; the bitmap font looks the same with every FreeType or none."""
    font = ImageFont.load_default_imagefont()
    draw = ImageDraw.Draw(image)
    bottom = image.height - 2
    left, top, right, foot = draw.textbbox((5, bottom - 13), text, font=font)
    draw.rectangle((left - 3, top - 1, right + 2, foot + 1), fill=(24, 24, 28))
    draw.text((5, bottom - 13), text, fill=(240, 240, 235), font=font)
