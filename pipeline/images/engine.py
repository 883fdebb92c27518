"""Image engines: decode, transform and encode one picture; who does it is a choice of two.

``pillow`` antialiases what it shrinks and is the default. ``opencv`` gives what im2rec gives, byte
for byte, at ``EncodeSpec(quality=95, subsampling="420")``; with color -1 im2rec's orientation is
``ignore``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, TypeVar

from pipeline.errors import BadImage, UsageError
from pipeline.images import decode, opencv, pillow, repair
from pipeline.images.bounds import check_claim, check_size
from pipeline.images.header import ImageHeader, read_header
from pipeline.images.orientation import SIDEWAYS, UPRIGHT, read_orientation, with_orientation
from pipeline.images.raster import Color, Encoding, Raster
from pipeline.images.sampling import Sampling, read_sampling
from pipeline.images.segments import png_chunks
from pipeline.images.spec import PASSED_THROUGH, EncodeSpec, Processed
from pipeline.images.transforms import Compose
from pipeline.storage import Buffer

_R = TypeVar("_R", bound=Raster)
_Notes = tuple[str, ...]
_MODE_OF: Final = {1: "RGB", 0: "L"}
_LEFT: Final = {"keep": "kept", "ignore": "ignored"}


class Engine(Protocol):
    """What encodes pictures anew: picklable, without state.

    For processes, not threads: Pillow's warnings are held back for the whole process meanwhile.
    """

    @property
    def name(self) -> str:
        """``pillow`` or ``opencv``."""

    def codec(self, encoding: Encoding = ".jpg") -> str:
        """Return name and version of what decodes and encodes: part of a digest."""

    def process(self, encoded: Buffer, spec: EncodeSpec) -> Processed:
        """Encode a picture as asked; see `EncodeSpec`.

        Raises:
            BadImage: it is damaged, too large, of a format or orientation that is refused.
            UsageError: a transform returned no picture.
        """


@dataclass(frozen=True, slots=True)
class PillowEngine:
    """Pillow or pillow-simd; see `Engine`."""

    name: ClassVar[str] = "pillow"

    def codec(self, encoding: Encoding = ".jpg") -> str:
        """Return ``pillow-simd 12.1.1.post0 / libjpeg-turbo 2.1.5``; for a PNG zlib's too."""
        return repair.codec() + (f" / {pillow.zlib_version()}" if encoding == ".png" else "")

    def process(self, encoded: Buffer, spec: EncodeSpec) -> Processed:
        """Encode a picture as asked; see `Engine.process`."""
        return _process(encoded, spec, decode.decode, lambda raster: raster)


@dataclass(frozen=True, slots=True)
class OpenCVEngine:
    """OpenCV, which must be installed; see `Engine`."""

    name: ClassVar[str] = "opencv"

    def codec(self, encoding: Encoding = ".jpg") -> str:
        """Return ``opencv 4.11.0 / build-libjpeg-turbo (ver 3.0.3-70)``; for a PNG zlib's too."""
        return opencv.codec(encoding)

    def process(self, encoded: Buffer, spec: EncodeSpec) -> Processed:
        """Encode a picture as asked; see `Engine.process`."""
        return _process(encoded, spec, opencv.decode, _to_opencv)


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


def _to_opencv(raster: pillow.PillowRaster) -> opencv.OpenCVRaster:
    return opencv.OpenCVRaster.of(raster.pixels(), raster.orientation)


def _process(
    data: Buffer,
    spec: EncodeSpec,
    decoded: Callable[[Buffer, ImageHeader, Color, int], _R],
    taken_over: Callable[[pillow.PillowRaster], _R],
) -> Processed:
    foreign = decode.foreign_format(data)
    if foreign:
        _check_transcoding(foreign, spec)
        first, animated = decode.decode_foreign(data, foreign, spec.color)
        notes = (f"{foreign.lower()}-transcoded", *(("first-frame",) if animated else ()))
        _check_orientation(first.orientation, spec)
        return _finished(taken_over(first), spec, "444", notes)
    header = read_header(data)
    orientation = read_orientation(data, header.format)
    _check_orientation(orientation, spec)
    if _is_as_asked(data, header, orientation, spec):
        kept = () if orientation == UPRIGHT else (f"orientation-{orientation}-kept",)
        return Processed(
            bytes(data), header.width, header.height, header.mode, (PASSED_THROUGH, *kept)
        )
    check_claim(header, len(data))
    raster = decoded(data, header, spec.color, orientation)
    return _finished(raster, spec, read_sampling(data), _losses(data, header, raster, spec))


def _is_as_asked(data: Buffer, header: ImageHeader, orientation: int, spec: EncodeSpec) -> bool:
    """Whether a picture's own bytes are what encoding it anew is to give."""
    if spec.transforms or spec.quality is not None or header.format != spec.form:
        return False
    if orientation != UPRIGHT and spec.orientation != "keep":
        return False
    if header.mode != _MODE_OF.get(spec.color, header.mode):
        return False
    sampled = header.format == "JPEG" and header.mode != "L"
    return not sampled or spec.sampling(read_sampling(data)) == read_sampling(data)


def _losses(data: Buffer, header: ImageHeader, raster: Raster, spec: EncodeSpec) -> _Notes:
    notes = []
    if header.mode in {"CMYK", "YCCK"}:
        notes.append(f"{header.mode.lower()}-to-rgb")
    if header.mode.endswith(";16"):
        notes.append("16-bit-to-8")
    own = header.mode.partition(";")[0] in {"LA", "RGBA"}
    clear = header.format == "PNG" and any(chunk.name == b"tRNS" for chunk in png_chunks(data))
    if (own or clear) and (spec.form == "JPEG" or raster.mode != "RGBA"):
        notes.append("alpha-dropped")
    return tuple(notes)


def _finished(raster: _R, spec: EncodeSpec, sampling: Sampling, notes: _Notes) -> Processed:
    """Turn, transform and encode what was decoded."""
    stored = raster.orientation
    if spec.orientation == "bake":
        raster = raster.upright()
    raster = Compose(spec.transforms).on(raster)
    if stored in SIDEWAYS and raster.orientation == UPRIGHT and sampling == "422":
        sampling = "444"  # what shared a colour in a row now would in a column
    check_size(*raster.size)
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
            f"{form} pictures are taken only where it is asked for",
            expected="a JPEG or PNG",
            found=f"a {form}",
            remedy="encode it anew with --transcode, or leave it out with --on-bad-image skip",
        )


def _check_orientation(orientation: int, spec: EncodeSpec) -> None:
    if orientation != UPRIGHT and spec.orientation == "refuse":
        raise BadImage(
            "the picture's pixels do not lie upright",
            expected="no EXIF orientation, or 1",
            found=f"EXIF orientation {orientation}",
            remedy="turn such pictures with --orientation bake, or leave them out with"
            " --on-bad-image skip",
        )
