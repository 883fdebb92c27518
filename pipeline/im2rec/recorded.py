"""The job behind an output of im2rec, rebuilt from what its manifest records of it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pipeline import manifest, storage
from pipeline.documents.packed import FIRST, PackManifest
from pipeline.errors import UsageError
from pipeline.formats.recordio.header import LabelForm
from pipeline.im2rec.assignments import AutoResize
from pipeline.im2rec.job import PackJob, Part
from pipeline.images.spec import EncodeSpec
from pipeline.images.transforms import (
    AutoOrient,
    CenterCrop,
    ColorConvert,
    Compose,
    Normalize,
    Resize,
    ToTensor,
    Transform,
)

_BUILT_IN: Final[Mapping[str, Callable[..., Transform]]] = {
    kind.__name__: kind
    for kind in (
        AutoOrient,
        AutoResize,
        CenterCrop,
        ColorConvert,
        Compose,
        Normalize,
        Resize,
        ToTensor,
    )
}

# What an expression raises that is none, or one of another version of this program.
_NO_TRANSFORM: Final = (SyntaxError, ValueError, TypeError, RecursionError)


def recorded_job(document: PackManifest, path: Path, root: Path) -> PackJob:
    """Return the job that would write the records of an output once more.

    Args:
        document: the manifest.
        path: where it lies; the image list is looked for beside it.
        root: folder of the images.

    Raises:
        UsageError: the list is not there or is another one by now; a transform is a function of
            the user's own; the engine is not installed, or encodes as another version does; the
            options are those of another version of this program.
    """
    parameters = document.parameters
    job = PackJob(
        listing=_listing(document, path),
        root=root,
        output=path.with_name("absent.rec"),  # nothing is written
        spec=_spec(parameters.encode),
        pass_through=parameters.pass_through,
        engine=parameters.engine,
        labels=None if parameters.labels == FIRST else LabelForm(parameters.labels),
        label_width=parameters.label_width,
        part=Part(*parameters.part),
        below_root=parameters.below_root,
    )
    if document.codec is not None:
        codec = job.codec() or ""
        if codec != document.codec:
            raise _not_comparable("its images were encoded by", document.codec, codec)
    return job


def _spec(recorded: Mapping[str, Any]) -> EncodeSpec:
    try:
        transforms = tuple(map(_transform, recorded["transforms"]))
        return EncodeSpec(**{**recorded, "transforms": transforms})
    except KeyError as error:
        raise _not_comparable("its options are of another version: no", str(error), "") from error
    except TypeError as error:
        raise _not_comparable("its options are of another version:", str(error), "") from error


def _listing(document: PackManifest, path: Path) -> Path:
    source = document.inputs[0]
    listing = path.with_name(source.list)
    if storage.stat(listing) is None:
        raise UsageError(
            "the image list of this output is not beside it, so nothing can be compared",
            file=str(path),
            expected=str(listing),
            remedy="put the list there, or leave --against out",
        )
    found = manifest.hash_file(listing)
    if found != source.xxh3_128:
        raise UsageError(
            "the image list is not the one that was packed any more",
            file=str(listing),
            expected=f"xxh3-128 {source.xxh3_128}",
            found=found,
            remedy="pack the list as it is now, or leave --against out",
        )
    return listing


def _transform(text: str) -> Transform:
    """Return the transform that a manifest describes by how it is written in Python."""
    try:
        transform: Transform = _evaluated(ast.parse(text, mode="eval").body)
    except _NO_TRANSFORM as error:
        raise _not_comparable("a transform was", text, "one of this program's") from error
    return transform


def _evaluated(node: ast.expr) -> Any:
    """Return the transform, tuple or constant that an expression stands for.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        kind = _BUILT_IN.get(node.func.id)
        if kind is not None:
            options = {word.arg or "": _evaluated(word.value) for word in node.keywords}
            return kind(**options)
    if isinstance(node, ast.Tuple):
        return tuple(map(_evaluated, node.elts))
    if isinstance(node, ast.Constant):
        return node.value
    raise ValueError(ast.dump(node))


def _not_comparable(what: str, recorded: str, now: str) -> UsageError:
    return UsageError(
        f"the records cannot be made once more to compare them: {what} {recorded}",
        expected=recorded,
        found=now or None,
        remedy="leave --against out: hashes and framing are checked all the same",
    )
