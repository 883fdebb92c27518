"""What the drawn set of Open Images holds, decided before anything is drawn.

It has one of everything that trips a program up: classes whose MIDs contain each other, a parent
and its children, every flag as 0, 1 and -1, masks of every mode and size, masks of images that are
not there, boxes without masks, labels that say what is absent, and images that are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.sample.archives import chance

Split = Literal["train", "validation", "test"]
Mask = Literal["1", "L", "P", "larger", "smaller", "misshapen", "black", "missing"]
"""How a mask is stored: in a mode, in another size or shape, black, or not in its archive."""
State = Literal["usual", "turned", "absent", "cut", "page"]
"""What the bucket has: with EXIF of another orientation, nothing, half of it, or an HTML page."""
Flags = tuple[int, int, int, int, int]
"""Occluded, truncated, group of, depiction, inside: 1, 0, or -1 where nobody knows."""

BEAR, WAFFLE, TABLE = "/m/01dws", "/m/01dwsz", "/m/0h8n5zk"
LAND_VEHICLE, CAR, AIRPLANE, WHEEL = "/m/01prls", "/m/0k4j", "/m/0cmf2", "/m/083wq"
HANDGUN: Final = "/m/0gxl3"
CLASSES: Final = {
    BEAR: "Bear",
    WAFFLE: "Waffle",
    LAND_VEHICLE: "Land vehicle",
    "/m/01lrl": "Carnivore",
    "/m/02wbm": "Food",
    "/m/04bcr3": "Table",
    "/m/04rky": "Mammal",
    "/m/07yv9": "Vehicle",
    "/m/083kb": "Weapon",
    WHEEL: "Wheel",
    "/m/0c_jw": "Furniture",
    AIRPLANE: "Airplane",
    HANDGUN: "Handgun",
    TABLE: "Kitchen & dining room table",
    "/m/0jbk": "Animal",
    CAR: "Car",
    "/m/0k5j": "Aircraft",
}
"""MID -> name in V6."""
RENAMED: Final = {AIRPLANE: "Fixed-wing aircraft"}
"""MID -> name in V7, where it is another."""
WITH_MASKS: Final = (BEAR, WAFFLE, CAR, AIRPLANE, HANDGUN, TABLE)
SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")
LEAST_TRAIN, LEAST_OTHER = 24, 8

_TOGETHER: Final = (
    (BEAR,),
    (WAFFLE,),
    (TABLE, WAFFLE),
    (CAR, WHEEL),
    (BEAR, BEAR),
    (HANDGUN,),
    (AIRPLANE,),
    (CAR, AIRPLANE, CAR),
    (BEAR, WAFFLE),
    (LAND_VEHICLE,),
    (CAR,),
)
"""Classes that are on an image together; images take their turns."""
_MASKS: Final[tuple[Mask | None, ...]] = (
    *("1", "larger", "L", "smaller", "1", "P", "black", "1", None, "missing", "larger", "1"),
    *("misshapen", "smaller", "1", "1"),
)
_GROUP, _DEPICTION, _INSIDE = 2, 3, 4
_ROTATIONS: Final = ("0.0", "0.0", "90.0", "0.0", "", "270.0", "0.0", "180.0")
_STATES: Final[dict[Split, dict[int, State]]] = {
    "train": {11: "absent", 12: "cut", 13: "page", 14: "turned"},
    "validation": {3: "absent"},
    "test": {},
}
_UNBOXED_MASK = 16  # the training image with a mask that no box is of
_UNDRAWN: Final = 2  # images of each split that labels alone are of


@dataclass(frozen=True, slots=True)
class PlannedObject:
    """An object on an image.

    Attributes:
        mid: its class.
        source: who drew its box.
        flags: of its box.
        mask: how its mask is stored; None: it has none.
        has_box: whether the file of boxes has it.
    """

    mid: str
    source: str
    flags: Flags
    mask: Mask | None
    has_box: bool


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image of the set.

    Attributes:
        split: its split.
        image_id: 16 hex digits.
        state: what the bucket has of it.
        rotation: as the file of images says it; "": it does not.
        objects: on it.
        labels: of the whole image: MID and whether it is there, the first for the object's classes.
    """

    split: Split
    image_id: str
    state: State
    rotation: str
    objects: tuple[PlannedObject, ...]
    labels: tuple[tuple[str, bool], ...]


def plan(
    *, train_images: int = LEAST_TRAIN, other_images: int = LEAST_OTHER, seed: int = 0
) -> list[PlannedImage]:
    """Return the images of the set, each split in the order of its ImageIDs.

    Args:
        train_images: how many training images have objects; two more have labels alone.
        other_images: likewise of each other split.
        seed: other ImageIDs and images for another seed.
    """
    images = []
    for split in SPLITS:
        count = train_images if split == "train" else other_images
        masks = _turns()
        planned = [_image(split, number, seed, masks) for number in range(count)]
        planned += [_labelled(split, count + number, seed) for number in range(_UNDRAWN)]
        images += sorted(planned, key=lambda image: image.image_id)
    return images


def _image(split: Split, number: int, seed: int, masks: Iterator[Mask | None]) -> PlannedImage:
    classes = _TOGETHER[number % len(_TOGETHER)]
    objects = tuple(
        _object(split, mid, 3 * number + place, next(masks), number)
        for place, mid in enumerate(classes)
    )
    present = dict.fromkeys(classes, True)
    absent = [mid for mid in (WAFFLE, BEAR, HANDGUN) if mid not in present]
    labels = (*present.items(), (absent[number % len(absent)], False))
    return PlannedImage(
        split=split,
        image_id=_image_id(split, number, seed),
        state=_STATES[split].get(number, "usual"),
        rotation=_ROTATIONS[number % len(_ROTATIONS)],
        objects=objects,
        labels=labels,
    )


def _object(split: Split, mid: str, turn: int, mask: Mask | None, number: int) -> PlannedObject:
    """Return an object whose flags are a turn's, all 0 in every other one."""
    values = [0, 0, 0, 0, 0]
    if turn % 2:
        values[turn // 2 % 5] = (1, -1)[turn // 10 % 2]
    flags: Flags = (values[0], values[1], values[2], values[3], values[4])
    may_have = mid in WITH_MASKS and 1 not in {flags[_GROUP], flags[_DEPICTION], flags[_INSIDE]}
    is_unboxed = split == "train" and number == _UNBOXED_MASK
    return PlannedObject(
        mid=mid,
        source="activemil" if split == "train" and turn % 4 == 0 else "xclick",
        flags=flags,
        mask="1" if is_unboxed else mask if may_have else None,
        has_box=not is_unboxed,
    )


def _labelled(split: Split, number: int, seed: int) -> PlannedImage:
    """Return an image without objects: labels say that a bear is there, or is not."""
    return PlannedImage(
        split=split,
        image_id=_image_id(split, number, seed),
        state="usual",
        rotation="0.0",
        objects=(),
        labels=((BEAR, number % 2 == 0), (WAFFLE, False)),
    )


def _image_id(split: Split, number: int, seed: int) -> str:
    """Return an ImageID; 16 in a row have all first digits."""
    digit = number % 16 if split == "train" else 5 * number % 16
    return f"{digit:x}{chance(seed, f'{split}/{number}').getrandbits(60):015x}"


def _turns() -> Iterator[Mask | None]:
    while True:
        yield from _MASKS
