"""What the parts of outputs were made of, where images are files that may be replaced.

A part is a shard of a split, or a group of classes of an extracted tree; the digest of the shards
(`SplitJob.shards_digest`) or tree is its family. All formats of a split share one table of
fingerprints a part: a shard in a format that is added later must be made of the same contents as
the shard in the first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from pipeline import manifest, paths, storage
from pipeline.documents import fingerprint_tables
from pipeline.documents.part_numbers import numbers
from pipeline.documents.records import FingerprintsMark
from pipeline.documents.shards import GroupMark, ShardMark
from pipeline.errors import OutputDamaged, SourcesDiffer
from pipeline.manifest import Document
from pipeline.storage import Location
from pipeline.storage.local import fingerprints

PartMark = ShardMark | GroupMark
"""The mark of a part: of a shard, or of a group of classes of a tree."""

_KEY = "made_of"


def keep(out: Location, family: str, part: int, found: pa.Table, root: Location) -> Document:
    """Keep the fingerprints of the files that a part is being made of.

    Args:
        out: the output folder.
        family: digest of the shards or of the tree.
        part: 0-based number.
        found: their fingerprints, in the order of the part.
        root: folder that the paths are relative to.

    Returns:
        What the mark of the part says of them, for `stale`.

    Raises:
        SourcesDiffer: in another format the part is made of other contents.
    """
    path = paths.part_sources(out, family, part)
    content = fingerprints.content_digest(found)
    try:
        kept = fingerprint_tables.load(path, out)
    except OutputDamaged:
        kept = None
    if kept is not None and kept[0].content != content:
        raise differ(root)
    if kept is None or not kept[1].equals(found):
        fingerprint_tables.publish(path, found, out, root=str(root))
    return {_KEY: {"family": family, "content": content}}


def differ(root: Location) -> SourcesDiffer:
    """Return the error that images in a folder are others than a shard of them was made of."""
    return SourcesDiffer(
        "an image has been replaced since the shard was made in another format",
        file=str(root),
        remedy="run the same command again: every format of this split is written again",
    )


def keep_instead(
    out: Location, family: str, part: int, found: pa.Table, root: Location
) -> Document:
    """Keep the fingerprints of what a part of a single form is being made of, whatever it was.

    Returns:
        What the mark of the part says of them, as of `keep`.
    """
    path = paths.part_sources(out, family, part)
    fingerprint_tables.publish(path, found, out, root=str(root))
    return {_KEY: {"family": family, "content": fingerprints.content_digest(found)}}


def forget(out: Location, family: str, part: int) -> None:
    """Forget what a part was made of."""
    path = paths.part_sources(out, family, part)
    storage.remove(out, fingerprint_tables.mark_of(path))
    storage.remove(out, path)


def was_kept(marks: Iterable[PartMark | None]) -> bool:
    """Whether one of a part's marks says that its fingerprints were kept.

    Those of an archive, or of an earlier version, do not: that nothing is kept of these is no loss.
    """
    return any(mark is not None and mark.made_of is not None for mark in marks)


def stale(out: Location, marks: Sequence[ShardMark]) -> Iterator[int]:
    """Yield the numbers of parts that are made of other contents than those that are kept."""
    for part, mark in enumerate(marks):
        made_of = mark.made_of
        if made_of and _content(out, made_of.family, part) != made_of.content:
            yield part


def families(out: Location) -> list[str]:
    """Return the families of which something is kept."""
    return [name for name in storage.folders(paths.sources(out)) if paths.is_digest(name)]


def parts(out: Location, family: str) -> list[int]:
    """Return the numbers of the parts of which something is kept."""
    return numbers(storage.documents(paths.part_sources(out, family, 0).parent))


def read_ahead(out: Location, family: str, numbers: Iterable[int]) -> None:
    """Have the fingerprints of parts sent at once, where they lie in a store; see `load`."""
    tables = [paths.part_sources(out, family, number) for number in numbers]
    storage.read_ahead(map(fingerprint_tables.mark_of, tables))
    storage.copy_ahead(tables)


def load(out: Location, family: str, part: int) -> tuple[FingerprintsMark, pa.Table] | None:
    """Return the mark and the fingerprints of a part's files; None if they are not to be had."""
    try:
        return fingerprint_tables.load(paths.part_sources(out, family, part), out)
    except OutputDamaged:
        return None


def refresh(out: Location, family: str, part: int, found: pa.Table) -> None:
    """Keep newer stamps of the same contents, unless other contents are kept by now."""
    kept = load(out, family, part)
    if kept is not None and kept[0].content == fingerprints.content_digest(found):
        path = paths.part_sources(out, family, part)
        fingerprint_tables.publish(path, found, out, root=kept[0].root)


def _content(out: Location, family: str, part: int) -> str | None:
    path = fingerprint_tables.mark_of(paths.part_sources(out, family, part))
    mark = manifest.read_undamaged(path, FingerprintsMark)
    return None if mark is None else mark.content
