"""What is to be packed, and how: the one description that every command line and call becomes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from pipeline import storage
from pipeline.documents.packed import FIRST
from pipeline.errors import UsageError
from pipeline.formats.recordio.header import LabelForm
from pipeline.images.bounds import MAX_PIXELS
from pipeline.images.encoder import ImageEncoder
from pipeline.images.raster import Color, Encoding
from pipeline.images.spec import EncodeSpec, Orientation
from pipeline.images.transforms import BuiltIn, Transform
from pipeline.storage.local import input_file


@dataclass(frozen=True, slots=True)
class Part:
    """One of several parts of a list, divided by bytes as im2rec.cc divides it.

    Attributes:
        number: from 0.
        of: how many there are; with one, it is the whole list.

    Raises:
        UsageError: there is no such part.
    """

    number: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of:
            raise UsageError(
                "there is no such part of the list",
                expected=f"a part from 0 to {self.of - 1}" if self.of > 0 else "1 part or more",
                found=f"part {self.number} of {self.of}",
            )


@dataclass(frozen=True, slots=True)
class PackJob:
    """A list, and what is made of it.

    Attributes:
        listing: the image list.
        root: what its paths are relative to; an absolute path is taken as it is, unless
            `below_root`.
        output: the RecordIO file, see `Targets`; with parts, its name goes on with ``.part000``.
        spec: how images are encoded; with `pass_through` only those that may not stay as they
            are.
        pass_through: pack the bytes of an image as they are.
        engine: what encodes, ``pillow`` or ``opencv``.
        labels: how they are stored; None: only the first, in the header.
        label_width: how many every line of the list has; None: any number, see `lst.read`.
        part: of the list.
        listed: name of a list, beside the output, of what was packed; None: there is none.
        below_root: every path lies below the root, one that begins with a slash too, as im2rec.cc
            has it.
        named_by_list: the output has its name of the list: one of another list is not replaced.
        error_limit: how many images may be left out because they cannot be packed.
        threads: processes that read and encode; with one, this process does.
        batch_size: how many images one of them is handed at once, at most.

    Raises:
        UsageError: a number is out of its range; an output is the list itself, or would take the
            place of a folder, a device or a pipe.
    """

    listing: Path
    root: Path
    output: Path
    spec: EncodeSpec = field(default_factory=EncodeSpec)
    pass_through: bool = False
    engine: str = "pillow"
    labels: LabelForm | None = None
    label_width: int | None = None
    part: Part = field(default_factory=Part)
    listed: str | None = None
    below_root: bool = False
    named_by_list: bool = False
    error_limit: int = 0
    threads: int = 1
    batch_size: int = 4096

    def __post_init__(self) -> None:
        for name, least in (("error_limit", 0), ("threads", 1), ("batch_size", 1)):
            if getattr(self, name) < least:
                found = str(getattr(self, name))
                raise UsageError(f"{name} is too small", expected=f"{least} or more", found=found)
        places = [storage.resolved(self.listing), *self.targets.places().all]
        if len(set(places)) < len(places):
            raise UsageError(
                "an output would take the place of the list, or of another one",
                file=str(self.output),
                expected="a name that ends in .rec",
                remedy="give another name for the output",
            )

    @property
    def targets(self) -> Targets:
        """The paths of the files that the job writes."""
        if self.part.of == 1:
            records, stem = self.output, self.output.with_suffix("").name
        else:
            stem = f"{self.output.name}.part{self.part.number:03d}"
            records = self.output.with_name(stem)
        index, mark = (records.with_name(stem + end) for end in (".idx", ".manifest.json"))
        listing = records.with_name(self.listed) if self.listed else None
        return Targets(records, index, mark, listing)

    def parameters(self) -> dict[str, object]:
        """Return, as plain data, what the bytes depend on besides list and images."""
        spec: dict[str, object] = {
            each.name: getattr(self.spec, each.name) for each in fields(EncodeSpec)
        }
        spec["transforms"] = [_described(transform) for transform in self.spec.transforms]
        parameters: dict[str, object] = {
            "encode": spec,
            "engine": self.engine,
            "label_width": self.label_width,
            "labels": self.labels.value if self.labels else FIRST,
            "part": [self.part.number, self.part.of],
            "pass_through": self.pass_through,
        }
        return parameters | ({"below_root": True} if self.below_root else {})

    @property
    def root_from_output(self) -> str:
        """The root as a path from the folder of the outputs.

        A manifest names the root like this, so that it holds no path of one machine and stays true
        where images and outputs are moved together. Links on the way to both are resolved, so that
        it is the same whichever way they are reached; the name of the root itself may be a link.
        """
        root, folder = Path(storage.full_path(str(self.root))), self.targets.manifest.parent
        beside = storage.real_folder(root.parent) or root.parent
        return storage.path_from(storage.real_folder(folder) or folder, beside / root.name)

    def encoder(self) -> ImageEncoder:
        """Return what gives the images as they are packed.

        Raises:
            UsageError: its engine is not there.
        """
        return ImageEncoder(self.spec, self.engine, passes=self.pass_through)

    def codec(self) -> str | None:
        """Return the codec that encodes images, and load it; None where none is encoded anew.

        Raises:
            UsageError: its engine is not there.
        """
        return self.encoder().codec(self.spec.encoding)

    def source(self, path: str) -> str:
        """Return the path of an image as it is looked for: relative to the root, or absolute."""
        return path.lstrip("/") if self.below_root else path


@dataclass(frozen=True, slots=True)
class Targets:
    """The files that are made.

    Attributes:
        records: the RecordIO file.
        index: ``id TAB offset`` lines, of the same name but ``.idx``.
        manifest: what was written, ``.manifest.json``.
        listing: the list of what was packed; or None.
    """

    records: Path
    index: Path
    manifest: Path
    listing: Path | None

    @property
    def all(self) -> tuple[Path, ...]:
        """The paths of all files that the job writes, the manifest last."""
        more = () if self.listing is None else (self.listing,)
        return (self.records, self.index, *more, self.manifest)

    def places(self) -> Targets:
        """Return where they really go, links followed.

        Raises:
            OutputConflict: see `storage.output_file`.
        """
        place = storage.output_file
        listing = place(self.listing) if self.listing else None
        return Targets(place(self.records), place(self.index), place(self.manifest), listing)


def encode_spec(
    transforms: tuple[Transform, ...] = (),
    *,
    color: Color = 1,
    encoding: Encoding = ".jpg",
    quality: int = 95,
    orientation: Orientation | None = None,
    max_pixels: int = MAX_PIXELS,
) -> EncodeSpec:
    """Return how im2rec encodes, with chroma of half size; OpenCV then gives the same bytes.

    Args:
        transforms: done in order.
        color: see `EncodeSpec`.
        encoding: see `EncodeSpec`.
        quality: see `EncodeSpec`.
        orientation: of images that do not lie upright; None: as im2rec, turned, but with color
            -1 left as they are.
        max_pixels: see `EncodeSpec`.
    """
    turned: Orientation = "ignore" if color == -1 else "bake"
    return EncodeSpec(
        transforms=transforms,
        encoding=encoding,
        quality=quality,
        subsampling="420",
        color=color,
        orientation=orientation or turned,
        transcode=True,  # no image keeps its bytes, of whatever format it is
        max_pixels=max_pixels,
    )


def pass_through_spec(
    *, orientation: Orientation | None, transcode: bool, max_pixels: int = MAX_PIXELS
) -> EncodeSpec:
    """Return how those images are encoded that may not be passed through as they are.

    Args:
        orientation: None: images that do not lie upright are passed through, too.
        transcode: make JPEGs of images in other formats than JPEG and PNG.
        max_pixels: see `EncodeSpec`.
    """
    return EncodeSpec(
        color=-1,
        orientation=orientation or "keep",
        transcode=transcode,
        max_pixels=max_pixels,
    )


def check_root(root: Path) -> None:
    """Check that the folder of the images is there; see `input_file.check_root`."""
    input_file.check_root(
        root, "give the folder that the paths in the list are relative to as ROOT"
    )


def _described(transform: Transform) -> str:
    if isinstance(transform, BuiltIn):
        return repr(transform)
    kind = transform if hasattr(transform, "__qualname__") else type(transform)
    return f"{kind.__module__}.{kind.__qualname__}"
