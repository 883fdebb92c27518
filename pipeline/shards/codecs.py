"""Outputs whose images another codec has encoded: which output of a format a job is about.

A codec's name is part of an output's digest, so another Pillow would give every output a new
folder. A finished output that differs in nothing but the codec is what was asked for, and is taken
as it is. One that is half done stays the job's output, too: `check` refuses to go on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.records import JobRecord
from pipeline.documents.shards import ShardMark
from pipeline.errors import EnvironmentRefused, UsageError
from pipeline.formats.registry import ALL
from pipeline.images import codec
from pipeline.plaintext import Lines
from pipeline.storage import Location

if TYPE_CHECKING:
    from pipeline.shards.output import Output


REMOVE = "remove the folder: the same command makes it anew with the codec that is installed"
REPLACE = "say --replace: all of it is made anew with the codec that is installed"


def choose(
    out: Location, split: str, here: str | EnvironmentRefused, make: Callable[[str], Output]
) -> Output:
    """Return the output of a format that a job is about.

    Args:
        out: the output folder.
        split: name of the split.
        here: the codec that is installed, or why there is none.
        make: returns the output that a codec makes.

    Returns:
        In this order: a finished output, first the one that `current` points to, then the one of
        the codec that is installed; one that has shards; a new one of the installed codec.

    Raises:
        EnvironmentRefused: no codec is installed, and there is no output of another.
    """
    own = make(here) if isinstance(here, str) else None
    if own is not None and _is_current(out, split, own) and _finished(own):
        return own
    names = [name for name in dict.fromkeys(_known(out, split)) if name != here]
    instead = here if isinstance(here, str) else "no codec"
    others = [replace(make(name), codec_here=instead) for name in names]
    every = [own, *others] if own is not None else others
    finished = sorted(filter(_finished, every), key=lambda each: not _is_current(out, split, each))
    for output in (*finished, *(each for each in every if _begun(out, each))):
        return output
    if isinstance(here, EnvironmentRefused):
        raise here
    return make(here)


def check(folder: Location, made_by: str, here: str, instead: str) -> None:
    """Check that what is to be written on has the codec that is installed.

    Args:
        folder: where it lies.
        made_by: the codec that began it.
        here: the codec that is installed, if it is another; else "".
        instead: what else the user can do.

    Raises:
        UsageError: it was begun with another one.
    """
    if here:
        raise UsageError(
            "this was begun with another codec, whose images have other bytes",
            file=str(folder),
            expected=made_by,
            found=here,
            remedy=Lines.of(
                (codec.how_to_install(made_by), f"or {instead}; or choose another --out")
            ),
        )


def _known(out: Location, split: str) -> Iterator[str]:
    """Yield the codecs that are named by finished outputs of a split and by recorded jobs."""
    for path in storage.documents(paths.jobs(out)):
        record = manifest.read_undamaged(path, JobRecord)
        yield from record.codecs if record else ()
    for shard_format in ALL:
        folder = paths.outputs(out, shard_format, split)
        for name in storage.folders(folder):
            document = manifest.read_undamaged(paths.manifest(folder / name), OutputManifest)
            if document is not None and document.parameters.codec:
                yield document.parameters.codec


def _is_current(out: Location, split: str, output: Output) -> bool:
    return storage.pointed(paths.current(out, output.format, split)) == output.digest


def _finished(output: Output) -> bool:
    return manifest.read_whole(paths.manifest(output.folder), OutputManifest) is not None


def _begun(out: Location, output: Output) -> bool:
    """Whether one of an output's shards is there."""
    marks = storage.documents(paths.shard_marks(out, output.digest))
    return any(manifest.read_complete(path, out, ShardMark) is not None for path in marks)
