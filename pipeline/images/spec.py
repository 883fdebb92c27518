"""What an image engine is asked for, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pipeline.errors import BadImage, UsageError
from pipeline.images.bounds import MAX_PIXELS
from pipeline.images.raster import Color, Encoding
from pipeline.images.sampling import Sampling
from pipeline.images.transforms import Transform

PASSED_THROUGH: Final = "passed-through"
"""The note of an image to which nothing happened."""
Orientation = Literal["bake", "keep", "ignore", "refuse"]

_JPEG_QUALITY: Final = 95
_PNG_LEVEL: Final = 6
_MAX_QUALITY: Final = 100
_MAX_LEVEL: Final = 9
_MANY: Final = 10


@dataclass(frozen=True, slots=True)
class EncodeSpec:
    """How images are to be encoded.

    An image that already is what is asked for keeps its bytes: its format, colours, orientation
    and subsampling are right, there is no transform and no `quality`. All others are decoded and
    encoded anew, without metadata.

    Attributes:
        transforms: done in order to the decoded image.
        encoding: ``.jpg`` or ``.png``.
        quality: of a JPEG 1 to 100; the level of a PNG, where more than 9 is 9 (im2rec.py).
            None is 95 or level 6, for those that must be encoded.
        subsampling: of the JPEG: ``420``, ``444``, or ``keep``: as the source has it. im2rec
            writes ``420``.
        color: 1 is RGB, 0 gray (one component), -1 the channels that the image has; a JPEG
            never has alpha. Four inks become RGB. 16 bits become 8 by a shift; with -1 a PNG keeps
            them, by the engine ``opencv``, or is refused.
        orientation: of images whose EXIF orientation is not upright. ``bake`` turns their
            pixels; ``keep`` leaves them and repeats the tag; ``ignore`` leaves them and drops the
            tag, as im2rec does with color -1; ``refuse`` refuses them.
        transcode: take a GIF, WebP, BMP, TIFF or PNM too, if this build of Pillow can read it; of
            several frames the first.
        max_pixels: how many an image may have, decoded or made; more are refused.

    Raises:
        UsageError: a value that is none of these.
    """

    transforms: tuple[Transform, ...] = ()
    encoding: Encoding = ".jpg"
    quality: int | None = None
    subsampling: Literal["keep", "420", "444"] = "keep"
    color: Color = 1
    orientation: Orientation = "bake"
    transcode: bool = False
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        _check("encoding", self.encoding, get_args(Encoding))
        _check("subsampling", self.subsampling, ("keep", "420", "444"))
        _check("color", self.color, get_args(Color))
        _check("orientation", self.orientation, get_args(Orientation))
        least = 1 if self.encoding == ".jpg" else 0
        if not isinstance(self.max_pixels, int) or self.max_pixels < 1:
            _check("max_pixels", self.max_pixels, ("1 or more",))
        _check("quality", self.quality, (None, *range(least, _MAX_QUALITY + 1)))
        if not all(callable(each) and not isinstance(each, type) for each in self.transforms):
            raise UsageError(
                "a transform cannot be called",
                expected="functions from pixels to pixels",
                found=repr(self.transforms),
            )

    @property
    def keeps_depth(self) -> bool:
        """Whether 16 bits a sample are to stay so many."""
        return self.encoding == ".png" and self.color == -1

    @property
    def form(self) -> str:
        """The format: ``JPEG`` or ``PNG``."""
        return "JPEG" if self.encoding == ".jpg" else "PNG"

    @property
    def effort(self) -> int:
        """The quality of a JPEG, the level of a PNG."""
        if self.encoding == ".jpg":
            return _JPEG_QUALITY if self.quality is None else self.quality
        return _PNG_LEVEL if self.quality is None else min(self.quality, _MAX_LEVEL)

    def sampling(self, source: Sampling) -> Sampling:
        """Return the subsampling of a JPEG made of an image that has `source`."""
        return source if self.subsampling == "keep" else self.subsampling


@dataclass(frozen=True, slots=True)
class Processed:
    """An image as an engine gives it.

    Attributes:
        encoded: the file's bytes.
        width: pixels, as stored.
        height: pixels, as stored.
        mode: as `ImageHeader.mode`.
        notes: what happened beside the transforms, in order: ``passed-through``;
            ``gif-transcoded`` (any format in lower case), ``first-frame``; ``cmyk-to-rgb``,
            ``ycck-to-rgb``, ``16-bit-to-8``, ``alpha-dropped``; ``orientation-6-baked`` (2 to 8),
            ``-kept`` or ``-ignored``; ``end-marker-added`` of a file that lacked it and no pixel;
            what `peculiarity` says.
    """

    encoded: bytes
    width: int
    height: int
    mode: str
    notes: tuple[str, ...]


def refuse_depth(spec: EncodeSpec, form: str) -> None:
    """Refuse an image of 16 bits a sample where they are to be kept, for who cannot.

    Raises:
        BadImage: they are.
    """
    if spec.keeps_depth:
        raise BadImage(
            "the image engine pillow does not keep 16 bits a sample",
            expected="8 bits a sample, or the engine opencv",
            found=f"a {form} of 16 bits a sample",
            remedy="keep them with --engine opencv, make 8 bits of them with --color 1 (RGB) or"
            " --color 0 (gray), or leave the image out with --on-bad-image skip",
        )


def without_passthrough(notes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the notes that are worth telling: all but that nothing happened."""
    return tuple(note for note in notes if note != PASSED_THROUGH) if notes else notes


def _check(name: str, value: object, allowed: Sequence[object]) -> None:
    if value not in allowed or isinstance(value, bool | float):
        shown = [str(choice) for choice in allowed if choice is not None]
        raise UsageError(
            f"images cannot be encoded with this {name}",
            expected=", ".join(shown) if len(shown) < _MANY else f"{shown[0]} to {shown[-1]}",
            found=repr(value),
        )
