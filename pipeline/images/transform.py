"""What a transform is, and how any of them is done to an image in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

from pipeline.errors import BadImage, EnvironmentRefused, ShardmillError
from pipeline.images.raster import Pixels, Raster, checked

Transform = Callable[[Pixels], Pixels]
_R = TypeVar("_R", bound=Raster)

# Errors of the system that another image would not meet: a transform has looked for a file of it.
_OF_THE_IMAGE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class BuiltIn(ABC):
    """A transform that an engine does itself.

    Attributes:
        is_for_training: what it makes is no image any more, but what a training program makes of
            one that is stored; here the pixels stay as they are.
    """

    is_for_training: ClassVar[bool] = False

    @abstractmethod
    def on(self, raster: _R) -> _R:
        """Return the image that the transform makes of one in memory."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """Return the transformed pixels of an array; Pillow does the work."""
        from pipeline.images.pillow import PillowRaster  # noqa: PLC0415 - Pillow where it is used

        return self.on(PillowRaster.of(checked(pixels, self))).pixels()


def apply(transform: Transform, raster: _R) -> _R:
    """Do any transform to an image in memory.

    Raises:
        BadImage: it failed on this image, or would make too large a one.
        UsageError: it returned no image.
        EnvironmentRefused: the system failed it, and that says nothing about the image.
        MemoryError: likewise.
    """
    if isinstance(transform, BuiltIn):
        return transform.on(raster)
    pixels = raster.pixels()
    try:
        transformed = transform(pixels)
    except (ShardmillError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and not isinstance(error, _OF_THE_IMAGE) and error.errno:
            raise EnvironmentRefused(
                f"the system failed the transform {name_of(transform)}",
                found=f"{type(error).__name__}: {error}",
                remedy="put right what it names, then run the same command again",
            ) from error
        raise BadImage(
            f"the transform {name_of(transform)} failed on this image",
            expected="that it takes uint8 pixels, height x width x channels, of any size",
            found=f"{type(error).__name__}: {error}",
            remedy="correct the transform, or leave the image out with --on-bad-image skip",
        ) from error
    return raster.replaced(checked(transformed, transform, raster.max_pixels))


def name_of(transform: Transform) -> str:
    """Return what errors call a transform."""
    return getattr(transform, "__qualname__", type(transform).__qualname__)
