"""Shards of earlier versions, which kept no fingerprints of the images that they were made of.

What such a shard was made of is known where images are stored as they are: its facts have a hash of
each, and its mark the hashes that repaired ones had before. These are compared with fingerprints as
soon as there are some, because another format is made of the same images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.shards import ShardMark
from pipeline.errors import OutputDamaged, Vanished
from pipeline.job.split import SplitJob
from pipeline.shards import facts
from pipeline.shards import part_sources as partsources
from pipeline.shards.output import Output

Contents = Sequence[bytes | None]
"""The xxh3-128 of each image of a shard, in its order; None: it could not be read."""


def of_others(out: Path, split: SplitJob, number: int, contents: Contents) -> list[str]:
    """Return the digests of outputs of a split's plan whose shard was made of other images.

    Args:
        out: the output folder.
        split: the split; its own outputs are among those that are looked at.
        number: of the shard, 0-based.
        contents: what the images of the shard are now.
    """
    found = []
    own = {output.digest: output.form.codec is None for output in split.outputs}
    for digest in storage.folders(paths.shard_marks(out, "")):
        mark = manifest.read_undamaged(paths.shard_mark(out, digest, number), ShardMark)
        if mark is None or mark.made_of is not None or not own.get(digest, True):
            continue
        # The manifest of a large output takes far longer to read than the facts of a shard.
        if _differs(out, mark, contents) and (digest in own or _keeps_images(out, split, mark)):
            found.append(digest)
    return found


def stale(out: Path, family: str, output: Output, marks: Sequence[ShardMark]) -> Iterator[int]:
    """Yield the numbers of an output's shards that were made of other images than are kept.

    Args:
        out: the output folder.
        family: digest of the plan; see `pipeline.shards.part_sources`.
        output: whose shards they are.
        marks: of all its shards.
    """
    if output.form.codec is not None:
        return
    for number, mark in enumerate(marks):
        if mark.made_of is not None:
            continue
        kept = partsources.load(out, family, number)
        if kept is not None and _differs(out, mark, kept[1]["content"].to_pylist()):
            yield number


def _keeps_images(out: Path, split: SplitJob, mark: ShardMark) -> bool:
    """Whether a finished output is of a split's plan, and stores images as they are or repaired."""
    folder = paths.output(out, mark.format, mark.split, mark.output)
    document = manifest.read_undamaged(paths.manifest(folder), OutputManifest)
    if document is None or document.digests.plan != split.plan_digest:
        return False
    return document.parameters.codec is None


def _differs(out: Path, mark: ShardMark, contents: Contents) -> bool:
    """Whether a shard holds an image that is not among some contents, in their order."""
    try:
        path = paths.shard_facts(out, mark.output, mark.shard)
        table = facts.read_slice(path, mark.records)
    except (OutputDamaged, Vanished):  # what it holds is not known any more
        return True
    before = {image.key: image.source_xxh3_128 for image in mark.repairs}
    rows = table.select(["key", "xxh3_128"]).to_pylist()
    return not is_part([_source_hash(row, before) for row in rows], contents)


def _source_hash(row: Mapping[str, Any], repaired: Mapping[str, str]) -> bytes:
    return bytes.fromhex(repaired.get(row["key"], row["xxh3_128"]))


def is_part(hashes: Sequence[bytes], contents: Contents) -> bool:
    """Whether hashes are those of some of the contents, in their order.

    The others are images that were left out. One that could not be read may be any.
    """
    waiting = iter(contents)
    return all(any(each is None or each == wanted for each in waiting) for wanted in hashes)
