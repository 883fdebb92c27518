"""`im2rec` as a function."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pipeline import manifest, plaintext, storage
from pipeline.documents.packed import PackManifest
from pipeline.errors import OutputDamaged, UsageError
from pipeline.formats.recordio.header import LabelForm
from pipeline.im2rec.arguments import local_path, switch, whole_number
from pipeline.im2rec.job import PackJob, encode_spec, pass_through_spec
from pipeline.im2rec.pack import pack
from pipeline.im2rec.result import Packed
from pipeline.images.bounds import MAX_PIXELS
from pipeline.images.raster import Color, Encoding
from pipeline.images.spec import Orientation
from pipeline.images.transforms import Transform
from pipeline.quantities import counted, verb


def im2rec(
    list_file: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    transformations: Transform | Sequence[Transform] | None = None,
    num_workers: int | None = None,
    batch_size: int = 4096,
    pack_labels: bool = True,
    color: Color = 1,
    encoding: Encoding = ".jpg",
    quality: int = 95,
    pass_through: bool = False,
    error_limit: int = 0,
    *,
    root: str | os.PathLike[str] = "",
    engine: str = "pillow",
    orientation: Orientation | None = None,
    transcode: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Packed:
    """Pack the images of an image list for MXNet: ``<name>.rec``, ``.idx``, ``.manifest.json``.

    The name is the list's without its suffix. Beside them, ``<name>.lst`` lists what was packed;
    it is ``<name>-copy.lst`` where another list has that name. All files appear together when the
    work is done, or none does. The files of a list of another name are not replaced, nor those of a
    list of this name that has no image of this one, nor those of images below another root.

    Args:
        list_file: lines ``id TAB label [TAB label ...] TAB path``.
        output_path: the folder of the output; made if need be.
        transformations: what is done to every image, one or several in order: from and
            to uint8 pixels, height x width x channels.
        num_workers: processes; None: one less than there are CPUs. With 0 or 1 this one works, and
            in a worker of a `multiprocessing.Pool`, which may have no processes of its own.
        batch_size: how many images a process is handed at once, at most.
        pack_labels: store all labels, as a vector though there be one; else only the first.
        color: 1 packs RGB, 0 gray, -1 the channels that there are.
        encoding: ``.jpg`` or ``.png``.
        quality: of a JPEG, 1 to 100; of a PNG its level, up to 9.
        pass_through: pack the bytes of images as they are.
        error_limit: how many images may be left out because they cannot be packed.
        root: what paths in the list are relative to; default: the working folder.
        engine: ``pillow``, or ``opencv`` for the very bytes of MXNet's im2rec.
        orientation: what is done to images that do not lie upright, see `EncodeSpec`; None:
            they are turned; with color -1 ignored; under pass_through kept.
        transcode: under pass_through, make JPEGs of GIF, WebP, BMP, TIFF and PNM; else they are
            taken anyhow.
        max_pixels: how many an image may have that is decoded, or made.

    Returns:
        What was written and what was left out.

    Raises:
        UsageError: options that contradict each other; a path is an address such as
            ``s3://bucket``; a transform returned no image, but e.g. a
            float tensor.
        ShardmillError: see `pack`.

    Warns:
        UserWarning: images were left out; labels were not stored.
    """
    passes = switch("pass_through", pass_through)
    transcodes, largest = switch("transcode", transcode), whole_number("max_pixels", max_pixels)
    if passes and transformations is not None:
        raise UsageError(
            "nothing is done to images that are passed through",
            expected="transformations or pass_through",
            found="both",
        )
    source = local_path("list_file", list_file).absolute()
    folder = local_path("output_path", output_path).absolute()
    if isinstance(transformations, Sequence):
        transforms = tuple(transformations)
    else:
        transforms = () if transformations is None else (transformations,)
    if passes:
        spec = pass_through_spec(orientation=orientation, transcode=transcodes, max_pixels=largest)
    else:
        spec = encode_spec(
            transforms,
            color=cast("Color", whole_number("color", color)),
            encoding=encoding,
            quality=whole_number("quality", quality),
            orientation=orientation,
            max_pixels=largest,
        )
    packed = pack(
        PackJob(
            listing=source,
            root=local_path("root", root),
            output=folder / f"{source.stem}.rec",
            spec=spec,
            pass_through=passes,
            engine=engine,
            labels=LabelForm.VECTOR if switch("pack_labels", pack_labels) else None,
            listed=_list_name(source, folder),
            named_by_list=True,
            error_limit=whole_number("error_limit", error_limit),
            threads=_processes(num_workers),
            batch_size=whole_number("batch_size", batch_size),
        )
    )
    _warn(packed)
    return packed


def _processes(num_workers: int | None) -> int:
    """Return how many processes do the work; 1: this one."""
    if num_workers is None:
        workers = (os.cpu_count() or 1) - 1
    else:
        workers = whole_number("num_workers", num_workers)
    if workers < 0:
        raise UsageError("too few workers", expected="0 or more", found=str(workers))
    if multiprocessing.current_process().daemon:  # it may have no children
        return 1
    return max(1, workers)


def _list_name(source: Path, folder: Path) -> str:
    """Return the name of the list of what was packed: never that of a list of the user's."""
    own, mark = folder / f"{source.stem}.lst", folder / f"{source.stem}.manifest.json"
    if storage.kind(own) is None or _is_as_written(own, mark):
        return own.name
    return f"{source.stem}-copy.lst"


def _is_as_written(path: Path, mark: Path) -> bool:
    """Whether a file is what the manifest of an output of this name says that it is."""
    if storage.stat(mark) is None:
        return False
    with contextlib.suppress(OutputDamaged):
        hashes = {each.file: each.xxh3_128 for each in manifest.read(mark, PackManifest).files}
        return path.name in hashes and manifest.hash_file(path) == hashes[path.name]
    return False


def _warn(packed: Packed) -> None:
    if packed.left_out:
        first, left = packed.left_out[0], len(packed.left_out)
        warnings.warn(
            plaintext.line(
                f"{counted(left, 'image')} {verb(left, 'was', 'were')} left out, the first in"
                f" line {first.line}: {first.path}: {first.reason}"
            ),
            stacklevel=3,
        )
    if packed.unstored:
        warnings.warn(
            f"{counted(packed.unstored, 'image')} {verb(packed.unstored, 'has', 'have')} more"
            " labels than the first, which alone was stored: pack_labels=True stores all",
            stacklevel=3,
        )
