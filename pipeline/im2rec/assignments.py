"""The command line of im2rec.cc: ``image.lst root/ out.rec key=value ...``.

What that program ignores in silence is refused: keys that it does not know, values that are no
whole number (to it they are 0) or without a meaning. Source: tools/im2rec.cc in apache/mxnet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pipeline.errors import UsageError
from pipeline.formats.recordio.header import LabelForm
from pipeline.im2rec.job import PackJob, Part, encode_spec, pass_through_spec
from pipeline.images.bounds import MAX_PIXELS
from pipeline.images.raster import Filter, Raster
from pipeline.images.spec import EncodeSpec, Orientation
from pipeline.images.transforms import BuiltIn, CenterCrop, Resize, Transform

_R = TypeVar("_R", bound=Raster)

DEFAULTS: Final[Mapping[str, int | str]] = {
    "color": 1,
    "resize": -1,
    "label_width": 1,
    "pack_label": 0,
    "nsplit": 1,
    "part": 0,
    "center_crop": 0,
    "quality": 95,
    "encoding": ".jpg",
    "inter_method": -1,
    "unchanged": 0,
}
"""The keys, and what they are where they are not given."""

_ENCODING_KEYS: Final = ("color", "resize", "center_crop", "quality", "encoding", "inter_method")
_SWITCHES: Final = ("pack_label", "center_crop", "unchanged")
_FILTERS: Final[Mapping[int, Filter | None]] = {
    -1: None,  # the engine's own; of OpenCV that is 1, as in im2rec.cc
    0: "nearest",
    1: "bilinear",
    2: "bicubic",
    3: "box",
    4: "lanczos",
}
_AUTO, _RANDOM = 9, 10
_MAX_LEVEL, _DEFAULT_LEVEL = 9, 3  # of a PNG


@dataclass(frozen=True)
class AutoResize(BuiltIn):
    """Scale the shorter edge to a size: inter_method=9.

    The filter is ``bicubic`` where both edges grow, ``box`` where both shrink, else ``bilinear``.

    Attributes:
        size: in pixels.
    """

    size: int

    def on(self, raster: _R) -> _R:
        """Return the image scaled so that its shorter edge has `size` pixels."""
        (width, height), resize = raster.size, Resize(self.size)
        wide, high = resize.target(width, height)
        by: Filter = "bilinear"
        if wide > width and high > height:
            by = "bicubic"
        elif wide < width and high < height:
            by = "box"
        return Resize(self.size, filter=by).on(raster)


@dataclass(frozen=True)
class Assignments:
    """The values of the keys.

    Attributes:
        values: of every key.
        given: the keys that were given.
    """

    values: Mapping[str, Any]
    given: frozenset[str]

    @classmethod
    def parse(cls, words: Iterable[str]) -> Assignments:
        """Read ``key=value`` words.

        Raises:
            UsageError: a word of another form, an unknown key, one that is given twice, a value
                that is none of those that it may have.
        """
        given: dict[str, int | str] = {}
        for word in words:
            key, equals, text = word.partition("=")
            if not equals or key not in DEFAULTS or key in given:
                raise UsageError(
                    "this is no parameter of im2rec" if key not in given else f"{key} twice",
                    expected="KEY=VALUE, a key once, out of " + ", ".join(DEFAULTS),
                    found=word,
                )
            given[key] = text if key == "encoding" else _number(word, text)
        parsed = cls({**DEFAULTS, **given}, frozenset(given))
        parsed._check()
        return parsed

    def job(self, listing: Path, root: Path, output: Path, **options: Any) -> PackJob:
        """Return the job.

        Args:
            listing: the image list.
            root: the folder that its paths are in.
            output: the RecordIO file.
            options: what that program has not: `engine`, `orientation`, `transcode`, `max_pixels`
                and other attributes of `PackJob`.
        """
        values = self.values
        own = {name: options.pop(name) for name in ("orientation", "transcode")}
        own["max_pixels"] = options.pop("max_pixels", MAX_PIXELS)
        return PackJob(
            listing=listing,
            root=root,
            output=output,
            spec=self._spec(**own),
            pass_through=bool(values["unchanged"]),
            labels=LabelForm.CPP if values["pack_label"] else None,
            label_width=values["label_width"],
            part=Part(values["part"], values["nsplit"]),
            **options,
        )

    def ignored_options(self) -> list[str]:
        """Return the words given that have no effect, as im2rec.cc has it."""
        ignored = []
        if self.values["unchanged"]:
            ignored = [key for key in _ENCODING_KEYS if key in self.given]
        elif self.values["resize"] <= 0:
            ignored = [key for key in ("center_crop", "inter_method") if key in self.given]
        return [f"{key}={self.values[key]}" for key in ignored]

    def _spec(
        self, *, orientation: Orientation | None, transcode: bool, max_pixels: int
    ) -> EncodeSpec:
        if self.values["unchanged"]:
            return pass_through_spec(
                orientation=orientation, transcode=transcode, max_pixels=max_pixels
            )
        values, quality = self.values, self.values["quality"]
        if values["encoding"] == ".png" and quality > _MAX_LEVEL:
            quality = _DEFAULT_LEVEL
        return encode_spec(
            self._transforms(),
            color=values["color"],
            encoding=values["encoding"],
            quality=quality,
            orientation=orientation,
            max_pixels=max_pixels,
        )

    def _transforms(self) -> tuple[Transform, ...]:
        size, method = self.values["resize"], self.values["inter_method"]
        if size <= 0:
            return ()
        crop = (CenterCrop(),) if self.values["center_crop"] else ()
        if method == _AUTO:
            return (*crop, AutoResize(size))
        return (*crop, Resize(size, filter=_FILTERS[method]))

    def _check(self) -> None:
        values = self.values
        for key in _SWITCHES:
            if values[key] not in {0, 1}:
                raise UsageError(f"{key} is a switch", expected="0 or 1", found=str(values[key]))
        if values["pack_label"] and values["label_width"] < 2:  # noqa: PLR2004
            raise UsageError(
                "pack_label=1 is for several labels",
                expected="label_width=2 or more",
                found=f"label_width={values['label_width']}",
            )
        if values["inter_method"] not in {*_FILTERS, _AUTO}:
            chance = values["inter_method"] == _RANDOM
            raise UsageError(
                "inter_method leaves the filter to chance" if chance else "no such inter_method",
                expected="0 nearest, 1 bilinear, 2 bicubic, 3 area, 4 lanczos or 9 automatic",
                found=str(values["inter_method"]),
                remedy="choose a filter: the same images shall give the same bytes",
            )


def _number(word: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError("not a whole number", expected="KEY=NUMBER", found=word) from None
