"""What is done to an image before it is encoded anew.

A transform is any picklable callable from `Pixels` to `Pixels`. Those defined here are also known
to the engines, which do them with means of their own and without a detour through an array; called
directly they do what the ``pillow`` engine does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from pipeline.errors import UsageError
from pipeline.images.bounds import check_size
from pipeline.images.raster import Box, Color, Filter, Raster, Size
from pipeline.images.tensors import Normalize, ToTensor
from pipeline.images.transform import BuiltIn, Transform, apply, name_of

__all__ = [
    "AutoOrient",
    "BuiltIn",
    "CenterCrop",
    "ColorConvert",
    "Compose",
    "Mode",
    "Normalize",
    "Resize",
    "ToTensor",
    "Transform",
    "apply",
]

Mode = Literal["shorter", "longer", "exact"]
_R = TypeVar("_R", bound=Raster)


@dataclass(frozen=True)
class Resize(BuiltIn):
    """Scale an image.

    Attributes:
        size: one length in pixels, of the edge that `mode` names; or width and height.
        mode: ``shorter``: the shorter edge gets `size`, the other one keeps the aspect, rounded
            down, as im2rec does; ``longer``: the longer edge does; ``exact``: both edges are
            given, the aspect changes (one length makes a square). Left out, a length means
            ``shorter`` and a pair means ``exact``.
        never_enlarge: an image that would grow on either edge stays as it is.
        filter: None is the engine's own: ``lanczos`` of Pillow; ``bilinear`` of OpenCV, as in
            im2rec. Pillow's filters cover all that is shrunk (antialiasing), OpenCV's do not.

    Raises:
        UsageError: the attributes contradict each other.
    """

    size: int | Size
    mode: Mode | None = None
    never_enlarge: bool = False
    filter: Filter | None = None

    def __post_init__(self) -> None:
        pair = isinstance(self.size, tuple)
        edges = self.size if isinstance(self.size, tuple) else (self.size,)
        _check_lengths("Resize", edges)
        if self.mode not in {None, *get_args(Mode)} or (pair and self.mode not in {None, "exact"}):
            raise _refused(
                "Resize", "mode shorter or longer with one length, exact with any", repr(self.mode)
            )
        if self.filter not in {None, *get_args(Filter)}:
            raise _refused(
                "Resize", f"a filter out of {', '.join(get_args(Filter))}", repr(self.filter)
            )

    def target(self, width: int, height: int) -> Size:
        """Return the size, in pixels, that an image of `width` x `height` gets."""
        if isinstance(self.size, tuple):
            target = self.size
        elif self.mode == "exact":
            target = (self.size, self.size)
        else:
            edge = max(width, height) if self.mode == "longer" else min(width, height)
            target = (
                max(1, width * self.size // edge),
                max(1, height * self.size // edge),
            )
        grows = target[0] > width or target[1] > height
        return (width, height) if self.never_enlarge and grows else target

    def on(self, raster: _R) -> _R:
        """Scale; refuse what would be too large, on the way too (`BadImage`)."""
        width, height = raster.size
        target = self.target(width, height)
        if target == (width, height):
            return raster
        check_size(*target, raster.max_pixels, planned=True)
        # Both codecs scale the rows first, then the columns.
        check_size(target[0], height, raster.max_pixels, planned=True)
        return raster.resized(target, self.filter)


@dataclass(frozen=True)
class CenterCrop(BuiltIn):
    """Cut out the middle, margins rounded down as in im2rec's ``--center-crop``.

    Attributes:
        size: an edge of a square, or width and height, in pixels; an edge that is shorter stays
            as it is. None is the largest square: im2rec's meaning.

    Raises:
        UsageError: a length below 1.
    """

    size: int | Size | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            _check_lengths(
                "CenterCrop", self.size if isinstance(self.size, tuple) else (self.size,)
            )

    def box(self, width: int, height: int) -> Box:
        """Return what is cut out of an image of `width` x `height` pixels."""
        size = min(width, height) if self.size is None else self.size
        wide, high = size if isinstance(size, tuple) else (size, size)
        wide, high = min(wide, width), min(high, height)
        left, top = (width - wide) // 2, (height - high) // 2
        return left, top, left + wide, top + high

    def on(self, raster: _R) -> _R:
        """Return the part of the image in the box."""
        box = self.box(*raster.size)
        return raster if box == (0, 0, *raster.size) else raster.cropped(box)


@dataclass(frozen=True)
class ColorConvert(BuiltIn):
    """Convert the channels, as im2rec's ``--color``.

    Attributes:
        color: 1 gives RGB, 0 gray (one channel, Rec. 601 luma), -1 leaves them as they are. Alpha
            is dropped, not blended.

    Raises:
        UsageError: another number.
    """

    color: Color = 1

    def __post_init__(self) -> None:
        if self.color not in get_args(Color):
            raise _refused("ColorConvert", "color 1, 0 or -1", repr(self.color))

    def on(self, raster: _R) -> _R:
        """Return the image with the channels that `color` asks for."""
        return raster.recoloured(self.color)


@dataclass(frozen=True)
class AutoOrient(BuiltIn):
    """Turn an image as its EXIF orientation says; plain pixels have none and stay as they are."""

    def on(self, raster: _R) -> _R:
        """Return the image as its orientation says it is to be seen."""
        return raster.upright()


@dataclass(frozen=True, init=False)
class Compose(BuiltIn):
    """Several transforms, one after the other.

    Attributes:
        transforms: in order.

    Raises:
        UsageError: another transform follows `ToTensor`, or `Normalize` does not.
    """

    transforms: tuple[Transform, ...]

    def __init__(self, transforms: Sequence[Transform]) -> None:
        object.__setattr__(self, "transforms", tuple(transforms))
        _check_order(list(_flat(self.transforms)))

    def on(self, raster: _R) -> _R:
        """Return what the last transform makes, each taking the image of the one before."""
        for transform in self.transforms:
            raster = apply(transform, raster)
        return raster


def _flat(transforms: Iterable[Transform]) -> Iterator[Transform]:
    for transform in transforms:
        if isinstance(transform, Compose):
            yield from _flat(transform.transforms)
        else:
            yield transform


def _check_order(transforms: Sequence[Transform]) -> None:
    """Check that what makes a tensor is last: the others are given pixels."""
    of_training = [isinstance(each, BuiltIn) and each.is_for_training for each in transforms]
    if of_training != sorted(of_training):
        order = ", ".join(map(name_of, transforms))
        raise _refused("Compose", "ToTensor and Normalize behind all others", order)


def _check_lengths(name: str, lengths: Sequence[object]) -> None:
    fits = len(lengths) in {1, 2}
    if not fits or any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in lengths):
        found = " x ".join(map(repr, lengths))
        raise _refused(name, "one length or a pair of them, whole pixels, at least 1", found)


def _refused(name: str, expected: str, found: str) -> UsageError:
    return UsageError(
        f"{name} cannot be made",
        expected=expected,
        found=found,
        remedy="correct the transform's arguments",
    )
