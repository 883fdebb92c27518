"""Whether a program writes the shards that another one asks it for.

Shards of one output come from many processes, on several hosts perhaps. An older program on one of
them, or another codec, would write other bytes: into a folder of its own, which nobody waits for.
So whoever asks for shards says what decides their bytes, and whoever is asked compares.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from pipeline import digests, manifest, paths
from pipeline.documents.shards import ShardTerms, WriterTerms
from pipeline.errors import UsageError
from pipeline.plaintext import Lines
from pipeline.shards.output import Output, decisive
from pipeline.storage import Location

if TYPE_CHECKING:
    from pipeline.job.split import SplitJob


def of(split: SplitJob) -> ShardTerms:
    """Return what decides the bytes of a split's shards, as this program would write them."""
    writers = tuple(map(_of_output, split.outputs))
    return ShardTerms(split.name, split.shards_digest, writers)


def check(asked: ShardTerms, split: SplitJob) -> None:
    """Check that this program writes the shards that are asked for.

    Args:
        asked: what decides their bytes, as it is known where they are asked for.
        split: what follows from the same options here.

    Raises:
        UsageError: it does not; both are named.
    """
    here = of(split)
    there = ShardTerms(asked.split, asked.shards, asked.writers)
    if here == there:
        return
    raise UsageError(
        "this program would write other shards than it is asked for, so it writes none",
        expected=Lines.of(_told(there, here)),
        found=Lines.of(_told(here, there)),
        remedy="have the same version of shardmill, with the same codec, on every host, and give"
        " it the same options and inputs",
    )


def digest(split: SplitJob) -> str:
    """Return a digest of what decides the bytes of a split's shards here."""
    return digests.digest(msgspec.to_builtins(of(split)))


def place(out: Location, split: SplitJob, *, shared: bool = False) -> Location:
    """Return where it is kept what decides the bytes of a split's shards.

    The name holds what the options and the images decide, and nothing that a version does.

    Args:
        out: the output folder.
        split: the split.
        shared: by a command whose tasks others may take, before anything is planned; else it is
            there once the shards are planned.
    """
    forms = [decisive(replace(output.form, codec=None)) for output in split.outputs]
    asked = [{**form, "writer_version": 0} for form in forms]
    named = {"forms": asked, "shards": split.shards_digest, **({"shared": True} if shared else {})}
    return paths.shard_terms(out, split.name, digests.digest(named))


def keep(out: Location, split: SplitJob, *, shared: bool = False) -> None:
    """Keep what decides the bytes of a split's shards, for those who write them elsewhere."""
    manifest.publish_alone(place(out, split, shared=shared), msgspec.to_builtins(of(split)))


def kept(out: Location, split: SplitJob, *, shared: bool = False) -> ShardTerms | None:
    """Return what was kept of a split's shards; None: nothing was, or it is damaged."""
    return manifest.read_undamaged(place(out, split, shared=shared), ShardTerms)


def _of_output(output: Output) -> WriterTerms:
    form = output.form
    return WriterTerms(
        form.format, output.digest, form.shard_format.version, output.codec_here or form.codec or ""
    )


def _told(terms: ShardTerms, other: ShardTerms) -> list[str]:
    """Return what of terms differs from others, a line each."""
    theirs = {writer.format: writer for writer in other.writers}
    lines = list[str]()
    for writer in terms.writers:
        its = theirs.get(writer.format)
        if its != writer:
            codec = f", codec {writer.codec}" if writer.codec else ""
            version = f"version {writer.version} of its writer"
            lines.append(f"{terms.split}: {writer.format}: {version}{codec}: {writer.output}")
    return lines or [f"{terms.split}: images and order {terms.shards}"]
