"""Prepares one image for storage: unchanged, repaired, or encoded anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, get_args

import xxhash
from msgspec import Meta, Struct
from msgspec.structs import replace

from pipeline.documents.values import one_of
from pipeline.errors import BadImage, UsageError
from pipeline.images import header, repair
from pipeline.images.bounds import MAX_PIXELS, check_claim
from pipeline.images.encoder import ImageEncoder
from pipeline.images.foreign import foreign_format
from pipeline.images.inspection import inspect
from pipeline.images.jpegend import with_end
from pipeline.images.orientation import UPRIGHT, with_orientation
from pipeline.images.passthrough import CUT_SHORT, PassedThrough
from pipeline.images.raster import Filter
from pipeline.images.sound import END_ADDED
from pipeline.images.spec import EncodeSpec, Processed, without_passthrough
from pipeline.images.transforms import CenterCrop, Resize, Transform
from pipeline.storage import Buffer

ENGINES: Final = ("pillow", "opencv")
ENCODINGS: Final = (".jpg", ".png")
SUBSAMPLINGS: Final = ("keep", "420", "444")
FILTERS: Final = get_args(Filter)
MODES: Final = ("shorter", "longer", "exact")
ORIENTATIONS: Final = ("bake", "keep", "refuse")
_JPEG: Final = 0xFF  # its first byte
_INKS: Final = ("CMYK", "YCCK")
END_MARKER: Final = "end-marker"
"""The reason of a repair that put the end marker to a JPEG, and encoded nothing anew."""


@dataclass(frozen=True)
class ImageOptions:
    """How images are stored: as they are, unless it is said what they become.

    Attributes:
        resize: pixels of an edge; None: images keep their size.
        resize_mode: which edge, one of `MODES`; ``exact`` makes squares.
        center_crop: cut out the middle square first, as im2rec.py does.
        quality: of JPEGs, 1 to 100; of PNGs the level. None: 95 or level 6 where one is encoded.
        subsampling: of JPEGs, one of `SUBSAMPLINGS`.
        color: 1 makes RGB, 0 gray, -1 keeps the channels that there are, and 16 bits a sample
            where `EncodeSpec` can; None keeps what there is, and makes RGB where one is encoded.
        encoding: ``.jpg`` or ``.png``; None keeps what there is, or is ``.jpg``.
        never_enlarge: smaller images keep their size.
        filter: of resizing, one of `FILTERS`; None: the engine's own.
        engine: one of `ENGINES`.
        orientation: of images that EXIF says do not lie upright, one of `ORIENTATIONS`. None:
            ``keep`` for images that are stored as they are, else ``bake``.
        transcode: take GIF, WebP, BMP, TIFF and PNM where images are stored as they are, too,
            and encode them anew.
        max_pixels: how many an image may have that is decoded, or made; it decides which ones
            are refused and no byte of those that are not, and is in no digest.
    """

    resize: Annotated[int, Meta(ge=1)] | None = None
    resize_mode: Annotated[str, one_of(MODES)] = "shorter"
    center_crop: bool = False
    quality: Annotated[int, Meta(ge=0, le=100)] | None = None
    subsampling: Annotated[str, one_of(SUBSAMPLINGS)] = "keep"
    color: Annotated[int, Meta(ge=-1, le=1)] | None = None
    encoding: Annotated[str, one_of(ENCODINGS)] | None = None
    never_enlarge: bool = False
    filter: Annotated[str, one_of(FILTERS)] | None = None
    engine: Annotated[str, one_of(ENGINES)] = "pillow"
    orientation: Annotated[str, one_of(ORIENTATIONS)] | None = None
    transcode: bool = False
    max_pixels: Annotated[int, Meta(ge=1)] = MAX_PIXELS

    @property
    def encodes(self) -> bool:
        """Whether every image is encoded anew."""
        return any(getattr(self, name) != getattr(PLAIN, name) for name in _ENCODING)

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the default, as plain data."""
        return {k: value for k, value in asdict(self).items() if value != getattr(PLAIN, k)}


PLAIN: Final = ImageOptions()
"""Images are stored as they are."""

_ENCODING: Final = ("resize", "center_crop", "quality", "subsampling", "color", "encoding")


@dataclass(frozen=True, slots=True)
class Repair:
    """Why an image's bytes were changed, by which codec, and the xxh3-128 it had before.

    The reason is one of `repair.needs_repair`, or `END_MARKER`.
    """

    reason: str
    codec: str
    source_xxh3_128: str


class StoredImage(Struct, frozen=True):
    """An image as it will be stored; a struct, because one is made of every image.

    Attributes:
        encoded: its bytes; may be a view that the caller reuses.
        width: pixels, as stored.
        height: pixels, as stored.
        mode: of the source, see `PassedThrough.mode`.
        xxh3_128: of `encoded`, in hex.
        plain: whether it is an RGB or gray JPEG.
        notes: what happened to it, see `Processed.notes`.
        repair: of an image that could not be stored as it was, though it should have been.
    """

    encoded: Buffer
    width: int
    height: int
    mode: str
    xxh3_128: str
    plain: bool
    notes: tuple[str, ...] = ()
    repair: Repair | None = None


@lru_cache(maxsize=8)
def preparation(options: ImageOptions) -> Preparation:
    """Return the preparation of images for these options; see `Preparation`."""
    return Preparation(options)


class Preparation:
    """Turns images into what is stored of them.

    Raises:
        UsageError: the options contradict each other, or the engine is not installed.
    """

    def __init__(self, options: ImageOptions) -> None:
        self._spec = encode_spec(options)
        self.max_pixels = options.max_pixels
        self.encodes = options.encodes
        self._encoder = ImageEncoder(self._spec, options.engine, passes=not options.encodes)
        # Both encodings may be made where few images are; the codec of a PNG names that of a JPEG.
        self.codec = self._encoder.codec(self._spec.encoding if options.encodes else ".png")
        """What encodes the images that are to be encoded anew: part of the output digest."""

    def prepare(self, data: Buffer) -> StoredImage:
        """Return an image as it is stored where any format will do.

        Raises:
            BadImage: its header is that of no JPEG or PNG, its orientation is refused, or it
                cannot be decoded where it must be.
        """
        result = self._encoder.encode(data)
        if isinstance(result, Processed):
            mode = foreign_format(data) or header.read_header(data).mode
            return _stored(result, mode, plain=self._spec.form == "JPEG")
        jpeg = result.encoded[0] == _JPEG
        as_it_is = result.mode not in _INKS and result.decodable
        return _stored(result, result.mode, plain=jpeg and (result.encoded is not data or as_it_is))


def _stored(made: Processed | PassedThrough, mode: str, *, plain: bool) -> StoredImage:
    return StoredImage(
        encoded=made.encoded,
        width=made.width,
        height=made.height,
        mode=mode,
        xxh3_128=xxhash.xxh3_128_hexdigest(made.encoded),
        plain=plain,
        notes=without_passthrough(made.notes),
    )


def repaired(image: StoredImage, max_pixels: int = MAX_PIXELS) -> StoredImage:
    """Return an image as an RGB or gray JPEG, encoded anew if it is none.

    A JPEG that lacks its end marker and no pixel is given one: TensorFlow refuses it otherwise. One
    that lacks pixels stays as it is, and so does its note.

    Args:
        image: as `Preparation.prepare` gives it.
        max_pixels: how many it may have, if it is decoded.

    Raises:
        BadImage: it cannot be decoded, or is a JPEG that no decoder reads.
    """
    if image.plain:
        return _ended(image, max_pixels) if CUT_SHORT in image.notes else image
    of = inspect(image.encoded)
    encoded = repair.repair(image.encoded, max_pixels)
    if of.orientation != UPRIGHT:  # its pixels lie as they did
        encoded = with_orientation(encoded, "JPEG", of.orientation)
    return _repaired(image, encoded, repair.needs_repair(of.header) or "")


def _ended(image: StoredImage, max_pixels: int) -> StoredImage:
    """Return a JPEG with the end marker that it lacks; as it is where it lacks pixels, too."""
    of = inspect(image.encoded)
    try:
        check_claim(of.header, len(image.encoded), max_pixels)
        whole, _ = with_end(image.encoded, of)
    except BadImage:
        return image
    return _repaired(image, whole, END_MARKER)


def _repaired(image: StoredImage, encoded: Buffer, reason: str) -> StoredImage:
    """Return an image with other bytes of as many pixels, which have an end marker."""
    return replace(
        image,
        encoded=encoded,
        xxh3_128=xxhash.xxh3_128_hexdigest(encoded),
        plain=True,
        notes=tuple(END_ADDED if note == CUT_SHORT else note for note in image.notes),
        repair=Repair(reason, repair.codec(), image.xxh3_128),
    )


def encode_spec(options: ImageOptions) -> EncodeSpec:
    """Return what is asked of an engine for the images that it gets.

    Raises:
        UsageError: the options contradict each other.
    """
    transforms: list[Transform] = [CenterCrop()] if options.center_crop else []
    if options.resize is not None:
        by = {"mode": options.resize_mode, "filter": options.filter}
        transforms.append(Resize(options.resize, never_enlarge=options.never_enlarge, **by))  # type: ignore[arg-type]
    elif options.never_enlarge or options.filter or options.resize_mode != MODES[0]:
        raise UsageError("how images are resized is said, and not to what", expected="--resize N")
    orientation = options.orientation or ("bake" if options.encodes else "keep")
    return EncodeSpec(
        transforms=tuple(transforms),
        encoding=options.encoding or ".jpg",  # type: ignore[arg-type]
        quality=options.quality,
        subsampling=options.subsampling,  # type: ignore[arg-type]
        color=1 if options.color is None else options.color,  # type: ignore[arg-type]
        orientation=orientation,  # type: ignore[arg-type]
        transcode=options.transcode or options.encodes,
        max_pixels=options.max_pixels,
    )
