"""Image engines: decode, transform and encode one image; who does it is a choice of two.

``pillow`` antialiases what it shrinks and is the default. ``opencv`` gives what im2rec gives, byte
for byte, at ``EncodeSpec(quality=95, subsampling="420")``; with color -1 im2rec's orientation is
``ignore``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, Generic, Protocol, TypeVar

from pipeline.errors import BadImage, UsageError
from pipeline.images import decode, opencv, pillow, repair
from pipeline.images.bounds import check_claim, check_encodable, check_size
from pipeline.images.foreign import decode_foreign, foreign_format, orientation_refused
from pipeline.images.header import ImageHeader
from pipeline.images.inspection import Inspection, inspect, is_cut_short
from pipeline.images.orientation import SIDEWAYS, UPRIGHT, read_orientation, with_orientation
from pipeline.images.raster import WIDE, Encoding, Raster
from pipeline.images.sampling import Sampling, read_sampling
from pipeline.images.segments import png_chunks
from pipeline.images.sound import decodable
from pipeline.images.spec import PASSED_THROUGH, EncodeSpec, Processed
from pipeline.images.transforms import Compose
from pipeline.storage import Buffer

_R = TypeVar("_R", bound=Raster)
_Notes = tuple[str, ...]
_MODE_OF: Final = {1: "RGB", 0: "L"}
_LEFT: Final = {"keep": "kept", "ignore": "ignored"}


@dataclass(frozen=True, slots=True)
class _Decoders(Generic[_R]):
    """How an engine decodes.

    Attributes:
        own: a JPEG or PNG, of a header, for a specification, with an orientation.
        foreign: an image of another format; gives notes, too.
        orientation: as the engine reads it.
    """

    own: Callable[[Buffer, ImageHeader, EncodeSpec, int], _R]
    foreign: Callable[[Buffer, str, EncodeSpec], tuple[_R, _Notes]]
    orientation: Callable[[Buffer, Inspection], int]


class Engine(Protocol):
    """What encodes images anew: picklable, without state.

    For processes, not threads: Pillow's warnings are held back for the whole process meanwhile.
    """

    @property
    def name(self) -> str:
        """``pillow`` or ``opencv``."""

    def codec(self, encoding: Encoding = ".jpg") -> str:
        """Return name and version of what decodes and encodes: part of a digest."""

    def process(self, encoded: Buffer, spec: EncodeSpec) -> Processed:
        """Encode an image as asked; see `EncodeSpec`.

        Raises:
            BadImage: it is damaged, too large, of a format or orientation that is refused.
            UsageError: a transform returned no image.
        """


@dataclass(frozen=True, slots=True)
class PillowEngine:
    """Pillow or pillow-simd; see `Engine`."""

    name: ClassVar[str] = "pillow"

    def codec(self, encoding: Encoding = ".jpg") -> str:
        """Return ``pillow-simd 12.1.1.post0 / libjpeg-turbo 2.1.5``; for a PNG zlib's too."""
        return repair.codec() + (f" / {pillow.zlib_version()}" if encoding == ".png" else "")

    def process(self, encoded: Buffer, spec: EncodeSpec) -> Processed:
        """Encode an image as asked; see `Engine.process`."""
        return _process(encoded, spec, _PILLOW)


@dataclass(frozen=True, slots=True)
class OpenCVEngine:
    """OpenCV, which must be installed; see `Engine`."""

    name: ClassVar[str] = "opencv"

    def codec(self, encoding: Encoding = ".jpg") -> str:
        """Return ``opencv 4.11.0 / build-libjpeg-turbo (ver 3.0.3-70)``; for a PNG zlib's too."""
        return opencv.codec(encoding)

    def process(self, encoded: Buffer, spec: EncodeSpec) -> Processed:
        """Encode an image as asked; see `Engine.process`."""
        return _process(encoded, spec, _OPENCV)


def _as_opencv(data: Buffer, of: Inspection) -> int:
    return read_orientation(data, of.header.format, of.segments or None, as_opencv=True)


_PILLOW: Final = _Decoders(decode.decode, decode_foreign, lambda _, of: of.orientation)
_OPENCV: Final = _Decoders(opencv.decode, opencv.decode_foreign, _as_opencv)


def engine(name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        UsageError: there is none, or its library is not installed.
    """
    if name == "pillow":
        return PillowEngine()
    if name == "opencv":
        opencv.cv2()
        return OpenCVEngine()
    raise UsageError("no such image engine", expected="pillow or opencv", found=name)


def _process(data: Buffer, spec: EncodeSpec, by: _Decoders[_R]) -> Processed:
    form = foreign_format(data)
    if form:
        _check_transcoding(form, spec)
        first, notes = by.foreign(data, form, spec)
        _check_orientation(first.orientation, spec)
        return _finished(first, spec, "444", notes)
    of = inspect(data)
    header = of.header
    _check_orientation(of.orientation, spec)
    if _is_as_asked(data, of, spec):
        kept = () if of.orientation == UPRIGHT else (f"orientation-{of.orientation}-kept",)
        notes = (PASSED_THROUGH, *kept, *of.notes)
        return Processed(bytes(data), header.width, header.height, header.mode, notes)
    of.check_decodable()
    check_claim(header, len(data), spec.max_pixels)
    sound, notes = decodable(data, of)
    orientation = by.orientation(data, of) if spec.orientation == "bake" else of.orientation
    raster = by.own(sound, header, spec, orientation)
    if orientation != of.orientation:
        notes = (*notes, f"orientation-{of.orientation}-{_LEFT['ignore']}")
    notes = (*notes, *_losses(data, header, raster, spec))
    return _finished(raster, spec, read_sampling(data), notes)


def _is_as_asked(data: Buffer, of: Inspection, spec: EncodeSpec) -> bool:
    """Whether an image's own bytes are what encoding it anew is to give."""
    header = of.header
    if spec.transforms or spec.quality is not None or header.format != spec.form:
        return False
    if (of.orientation != UPRIGHT and spec.orientation != "keep") or not of.decodable:
        return False
    if is_cut_short(data, of):
        return False
    if header.mode != _MODE_OF.get(spec.color, header.mode):
        return False
    sampled = header.format == "JPEG" and header.mode != "L"
    return not sampled or spec.sampling(read_sampling(data)) == read_sampling(data)


def _losses(data: Buffer, header: ImageHeader, raster: Raster, spec: EncodeSpec) -> _Notes:
    notes = []
    if header.mode in {"CMYK", "YCCK"}:
        notes.append(f"{header.mode.lower()}-to-rgb")
    if header.mode.endswith(WIDE) and not raster.mode.endswith(WIDE):
        notes.append("16-bit-to-8")
    own = header.mode.partition(";")[0] in {"LA", "RGBA"}
    clear = header.format == "PNG" and any(chunk.name == b"tRNS" for chunk in png_chunks(data))
    if (own or clear) and (spec.form == "JPEG" or not raster.mode.startswith("RGBA")):
        notes.append("alpha-dropped")
    return tuple(notes)


def _finished(raster: _R, spec: EncodeSpec, sampling: Sampling, notes: _Notes) -> Processed:
    """Turn, transform and encode what was decoded."""
    stored = raster.orientation
    if spec.orientation == "bake":
        raster = raster.upright()
    wide = raster.mode.endswith(WIDE)
    raster = Compose(spec.transforms).on(raster)
    if wide and not raster.mode.endswith(WIDE):  # by a function of pixels
        notes = (*notes, "16-bit-to-8")
    if stored in SIDEWAYS and raster.orientation == UPRIGHT and sampling == "422":
        sampling = "444"  # what shared a colour in a row now would in a column
    check_size(*raster.size, spec.max_pixels, planned=True)
    check_encodable(*raster.size, spec.form)
    encoded = raster.encoded(spec.encoding, spec.effort, spec.sampling(sampling))
    if stored != UPRIGHT:
        done = "baked" if raster.orientation == UPRIGHT else _LEFT[spec.orientation]
        notes = (*notes, f"orientation-{stored}-{done}")
        if done == "kept":
            encoded = with_orientation(encoded, spec.form, stored)
    mode = "RGB" if (raster.mode, spec.form) == ("RGBA", "JPEG") else raster.mode
    return Processed(encoded, *raster.size, mode, notes)


def _check_transcoding(form: str, spec: EncodeSpec) -> None:
    if not spec.transcode:
        raise BadImage(
            f"{form} images are taken only where it is asked for",
            expected="a JPEG or PNG",
            found=f"a {form}",
            remedy="encode it anew with --transcode, or leave it out with --on-bad-image skip",
        )


def _check_orientation(orientation: int, spec: EncodeSpec) -> None:
    if orientation != UPRIGHT and spec.orientation == "refuse":
        raise orientation_refused(orientation)
