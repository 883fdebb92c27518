"""What commands of two hosts that work on one output in a store see of each other.

Locks are of one host. Commands of two hosts that were given the same inputs write the same bytes,
in whatever order. They do not where an image was replaced between the two, or where one of them
leaves an image out that is too large for it alone. So whoever has put something looks, after that,
at what the other may have put: of two writers at least the one that looks last sees both. It
withdraws the shards and all that was made of them, and its task fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pipeline import manifest, paths, storage
from pipeline.catalog.shard_name import ShardName
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.shards import ShardMark
from pipeline.errors import OutputDamaged, TransientError, abbreviate
from pipeline.job.split import SplitJob
from pipeline.manifest import FileEntry
from pipeline.shards import finish
from pipeline.shards.output import Output
from pipeline.state import withdrawal
from pipeline.storage import FileInfo, Location


def before_shard(out: Location, outputs: Iterable[Output], name: ShardName) -> None:
    """Have the folders listed that a shard is put into: what is put after that is remembered."""
    if storage.locks_are_of_one_host(out):
        for output in outputs:
            _stamps(out, output, name)


def check_shards(
    out: Location, split: SplitJob, written: Sequence[tuple[Output, ShardName]]
) -> None:
    """Check that shards this process has put lie there, and that no manifest has others.

    Args:
        out: the output folder. Where locks keep commands apart nothing is looked at.
        split: that the shards are of.
        written: the shards, with the output of each.

    Raises:
        TransientError: another command has put others; these shards are withdrawn.
    """
    if not written or not storage.locks_are_of_one_host(out):
        return
    before = [_stamps(out, output, name) for output, name in written]
    storage.renew()
    listed = {output.digest: _listed(output) for output, _ in written}
    differing = set[int]()
    for (output, name), stamps in zip(written, before, strict=True):
        is_replaced = _stamps(out, output, name) != stamps
        named = listed[output.digest]
        if (is_replaced and not _agrees(out, output, name)) or (
            named is not None and not _is_named(out, output, name.index, named)
        ):
            differing.add(name.index)
    if differing:
        _withdraw(out, split, differing)


def check_manifest(out: Location, split: SplitJob, output: Output) -> None:
    """Check that the shards are still those that the manifest of an output was made of.

    A manifest that another command has withdrawn by now says nothing: the output is not complete.

    Args:
        out: the output folder. Where locks keep commands apart nothing is looked at.
        split: that the output is of.
        output: whose manifest was published.

    Raises:
        TransientError: another command has put others; they and the manifest are withdrawn.
    """
    if not storage.locks_are_of_one_host(out):
        return
    storage.renew()
    if (named := _listed(output)) is None:
        return
    storage.read_ahead(paths.shard_mark(out, output.digest, n) for n in range(split.shards))
    differing = {n for n in range(split.shards) if not _is_named(out, output, n, named)}
    if differing:
        _withdraw(out, split, differing)


def _stamps(out: Location, output: Output, name: ShardName) -> list[FileInfo | None]:
    """Return how the files of a shard look, its mark last, by what is listed."""
    facts = paths.shard_facts(out, output.digest, name.index)
    mark = paths.shard_mark(out, output.digest, name.index)
    return [storage.stat(place) for place in (*output.files(name), facts, mark)]


def _listed(output: Output) -> frozenset[FileEntry] | None:
    """Return the files that the manifest of an output names; None: there is none that counts.

    One that lacks images that are allowed now is written anew, and says nothing.
    """
    document = manifest.read_undamaged(paths.manifest(output.folder), OutputManifest)
    if document is None or finish.is_outgrown(document, output):
        return None
    return frozenset(document.files)


def _agrees(out: Location, output: Output, name: ShardName) -> bool:
    """Whether the files of a shard are those that its mark names; all of them are read."""
    mark = paths.shard_mark(out, output.digest, name.index)
    try:
        return storage.stat(mark) is not None and bool(manifest.read_checked(mark, out, ShardMark))
    except OutputDamaged:
        return False


def _is_named(out: Location, output: Output, index: int, named: frozenset[FileEntry]) -> bool:
    """Whether a shard is there, and a manifest names its files as the mark of the shard does."""
    document = finish.shard_document(out, output, index)
    return document is not None and named.issuperset(finish.of_shards(out, output, [document]))


def _withdraw(out: Location, split: SplitJob, shards: Collection[int]) -> None:
    family, differing = split.shards_digest, abbreviate(map(str, sorted(shards)), most=10)
    withdrawal.withdraw(out, {family: shards}, {each.digest: family for each in split.outputs})
    raise TransientError(
        "another command with other inputs has worked on the same output at the same time",
        file=str(out),
        found=f"shards of {split.name} that differ from this command's: {differing}",
        remedy="let one command at a time work on this output, and run it again: "
        "these shards were withdrawn and are made anew",
    )
