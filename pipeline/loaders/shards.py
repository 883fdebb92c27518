"""The shards of a finished output as files of this machine, for loaders of any format."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Final, SupportsIndex

from pipeline import digests, paths, storage
from pipeline.documents.listed import ListedShard
from pipeline.errors import OutputDamaged, UsageError
from pipeline.loaders.division import check_part
from pipeline.loaders.file_cache import FileCache
from pipeline.manifest import FileEntry
from pipeline.state import current
from pipeline.storage import Location, RemoteOptions

WHOLE = (0, 1)
"""The part of those who read all shards."""

ROOT: Final = Path("/")
"""What paths of shards begin with: the folder that a `SourceReader` of them is given."""


@dataclass(frozen=True)
class Shards:
    """The shards that one reader reads, by name.

    Attributes:
        format: of the shards.
        label_offset: added to the class index of a labelled image.
        folder: of the output, local or in a store.
        listed: name, bytes and records of each.
        entries: what the manifest says of them besides, by name.
        cache: where each is fetched to; None: they are read where they are.
    """

    format: str
    label_offset: int
    folder: Location
    listed: tuple[ListedShard, ...]
    entries: dict[str, FileEntry]
    cache: FileCache | None

    @property
    def names(self) -> list[str]:
        """The names of their files, relative to the folder."""
        return [shard.file for shard in self.listed]

    @property
    def identity(self) -> str:
        """A digest of which records there are under which numbers, wherever they lie."""
        listed = [[shard.file, shard.bytes, shard.records] for shard in self.listed]
        return digests.digest({"shards": listed})

    @property
    def records(self) -> int:
        """How many records they hold."""
        return self._starts[-1]

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(shard.records for shard in self.listed)]

    def place(self, number: SupportsIndex) -> tuple[int, int]:
        """Return the shard of a record, and its number in it, both from 0.

        Args:
            number: of the record among all; one below 0 counts from the end.

        Raises:
            IndexError: there is no such record.
        """
        at = number.__index__()
        at += self.records if at < 0 else 0
        if not 0 <= at < self.records:
            raise IndexError(f"record {number} of {self.records}")
        shard = bisect_right(self._starts, at) - 1
        return shard, at - self._starts[shard]

    def path(self, name: str) -> Path:
        """Return where a shard can be read, once it is there.

        Raises:
            ShardmillError: see `FileCache.fetch`.
        """
        if self.cache is None:
            return storage.on_this_machine(self.folder / name)
        return self.cache.fetch(self.folder, self.entries[name])


def open_shards(
    out: str | Path,
    split: str,
    shard_format: str | Sequence[str],
    *,
    cache: str | Path | None = None,
    part: tuple[int, int] = WHOLE,
    options: RemoteOptions | None = None,
) -> Shards:
    """Return the shards of the output that is current now; none of them is read or fetched.

    Args:
        out: the output folder, or its address in S3.
        split: such as ``train``.
        shard_format: such as ``tfrecord``; of several, the first that the split is there in.
        cache: folder of this machine that shards are fetched to; see `pipeline.loaders.file_cache`.
        part: i and n: only every n-th shard by name, from the i-th on, counted from 0.
        options: how a store is reached.

    Raises:
        OutputDamaged: the manifest or a shard is missing, or a shard has another size.
        UsageError: there is no such split, but others; the part cannot be; shards in a store are
            to be read without a cache.
        NoSpace: the cache has no room for those shards that are not there yet.
        ShardmillError: the store refuses or does not answer.
    """
    place = storage.check_takes_files(_place(out, "out"), "out")
    kept = None if cache is None else _cache(cache, options or RemoteOptions())
    if kept is None:
        _check_readable(place)
    with storage.using(options or RemoteOptions()):
        storage.renew()  # this process may have known the output before it was finished
        chosen = (
            shard_format if isinstance(shard_format, str) else _there(place, shard_format, split)
        )
        output = current.find(place, chosen, split)
        shards = _part(sorted(output.listed.shards, key=lambda shard: shard.file), part)
        current.check_sizes(output.folder, shards)
    entries = {entry.file: entry for entry in output.listed.files}
    if kept is not None:
        kept.check_room([_entry(output.folder, shard, entries) for shard in shards])
    offset = output.listed.parameters.label_offset
    return Shards(chosen, offset, output.folder, tuple(shards), entries, kept)


def _there(out: Location, formats: Sequence[str], split: str) -> str:
    """Return the first format that a split is there in; else that any split is; else the first."""
    splits = {name: storage.folders(paths.outputs(out, name, split).parent) for name in formats}
    with_it = [name for name in formats if split in splits[name]]
    return next(iter(with_it or filter(splits.get, formats)), formats[0])


def _cache(folder: str | Path, options: RemoteOptions) -> FileCache:
    return FileCache(storage.on_this_machine(_place(folder, "cache")), options)


def _place(given: str | Path, name: str) -> Location:
    """Return where a path or an address leads, also in another working folder."""
    text = os.fspath(given)
    storage.parse(text, name)
    return storage.parse(storage.absolute(text, name), name)


def _check_readable(out: Location) -> None:
    """Check that shards can be read where they are."""
    try:
        storage.on_this_machine(out)
    except UsageError:
        raise UsageError(
            "shards in a store are read from copies on this machine, and no cache is given",
            file=str(out),
            expected='a folder for them, such as cache="/scratch/shards"',
            remedy="give one: each shard is fetched once, when it is read first",
        ) from None


def _part(shards: Sequence[ListedShard], part: tuple[int, int]) -> Sequence[ListedShard]:
    index, count = check_part(part)
    if count > 1 and index >= len(shards):
        raise UsageError(
            "part: there are fewer shards than parts",
            expected=f"at most {len(shards)} parts",
            found=repr(part),
            remedy="read with fewer parts, or prepare with more --shards",
        )
    return shards[index::count]


def _entry(folder: Location, shard: ListedShard, entries: dict[str, FileEntry]) -> FileEntry:
    entry = entries.get(shard.file)
    if entry is None or entry.bytes != shard.bytes:
        raise OutputDamaged(
            "the manifest does not say of a shard what its hash is",
            file=str(paths.manifest(folder)),
            place=shard.file,
            remedy=current.REMEDY,
        )
    return entry
