"""Publishes a shard that has the records of a finished one: its files are linked, not written.

On a local file system each file gets one more name, in a store it is copied by the store. What is
published is what writing it would have given, its facts and its mark included.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import structs

from pipeline import manifest, paths, storage
from pipeline.catalog.shard_name import ShardName
from pipeline.documents.shards import ShardMark
from pipeline.manifest import Document, FileEntry
from pipeline.shards import facts
from pipeline.shards.output import Output
from pipeline.shards.same_shards import SameShard
from pipeline.storage import Location


def link_shard(
    out: Location, name: ShardName, output: Output, same: SameShard, made_of: Document
) -> ShardMark | None:
    """Publish a shard that has the records of a finished one, its mark last.

    Args:
        out: the output folder.
        name: of the shard.
        output: that it is of.
        same: the finished one.
        made_of: what the mark says of the files that the images are.

    Returns:
        The mark of the finished shard; None: its files cannot be had, and nothing is published.
    """
    table, entries = same.earlier.facts(same.mark), list[FileEntry]()
    before = same.earlier.document.shard_name(same.mark.shard)
    folder = paths.output(out, output.format, name.split, same.earlier.digest)
    known = {out / entry.file: entry for entry in same.mark.files}
    files = output.form.shard_format.paths(folder, before.stem)
    if table is None or any(file not in known for file in files):
        return None
    for file, place in zip(files, output.files(name), strict=True):
        if not storage.duplicate(file, place):
            return None
        entries.append(known[file].named(storage.relative(place, out)))
    with storage.StagedFile(paths.shard_facts(out, output.digest, name.index)) as staged:
        staged.write(facts.slice_bytes(facts.renumbered(table, name.index)))
        mark = paths.shard_mark(out, output.digest, name.index)
        document = {**_said(same.mark), "output": output.digest, "shard": name.index, **made_of}
        manifest.publish([staged], mark, out, document, listed=entries)
    return same.mark


_OF_ITSELF: Final = frozenset({"files", "made_of", "unverified"})
"""What a mark says of its own files, and of what they were made of."""


def _said(mark: ShardMark) -> dict[str, Any]:
    """Return what a mark says of records, and what is the same of every shard that has these."""
    said = structs.asdict(mark)
    said["repairs"] = [structs.asdict(image) for image in mark.repairs]
    said["without_boxes"] = list(mark.without_boxes)
    said["notes"] = dict(sorted(mark.notes.items()))
    said["left_out"] = []
    return {name: value for name, value in said.items() if name not in _OF_ITSELF}
