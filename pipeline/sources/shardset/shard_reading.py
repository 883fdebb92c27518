"""The shards of a data set read one by one: each by itself, at any time, by any worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pipeline import storage
from pipeline.archives.passage import Progress
from pipeline.errors import NotCollected
from pipeline.quantities import counted
from pipeline.sources import read_files
from pipeline.sources.read_files import ReadFile
from pipeline.sources.shardset import collecting, own_output
from pipeline.sources.shardset.collecting import COLLECTED, Tally
from pipeline.sources.shardset.own_output import PLACES
from pipeline.storage import Location


@dataclass(frozen=True)
class ShardReading:
    """How the shards of a data set are read.

    Attributes:
        out: the output folder, where what was read of each shard is kept for a while.
        root: folder that their names are relative to.
        label: see `collecting.collect`.
        is_own: whether they are of a finished output, of which the catalog says the rest.
        used: names of what was kept of shards, as it was used.
    """

    out: Location
    root: Location
    label: str
    is_own: bool
    used: list[str] = field(default_factory=list)

    def rows_of(self, tally: Tally) -> Callable[[str], pa.Table]:
        """Return what returns the images of a shard, as they were kept or as they are read now.

        Args:
            tally: counts what is passed over.
        """

        def rows(shard: str) -> pa.Table:
            name = self._name_of(shard)
            kept = read_files.load(self.out, name, self._schema) if name else None
            if kept is None:
                return self._read(shard, tally, lambda _: None)
            self.used.append(name)
            tally.add(shard, kept)
            return kept.rows

        return rows

    def collect(self, shards: Iterable[str], tally: Tally) -> pa.Table:
        """Return the images of some shards, one behind the other; see `rows_of`."""
        rows = self.rows_of(tally)
        parts = [self._schema.empty_table(), *map(rows, shards)]
        return pa.concat_tables(parts).unify_dictionaries()

    def has_unread(self, shards: Iterable[str]) -> bool:
        """Whether each of some shards can be kept, by how it looks, and not all are."""
        names = [self._name_of(shard) for shard in shards]
        return all(names) and not all(read_files.is_kept(self.out, name) for name in names)

    def is_kept(self, shard: str) -> bool:
        """Whether what was read of a shard is kept, which looks as it did then."""
        name = self._name_of(shard)
        return bool(name) and read_files.is_kept(self.out, name)

    def keep(self, shard: str, progress: Progress) -> None:
        """Read a shard, and keep what was read.

        Raises:
            InputRefused: see `collecting.collect`.
        """
        name, tally = self._name_of(shard), Tally()
        rows = self._read(shard, tally, progress)
        passed = tuple((what, n, tally.examples[what]) for what, n in sorted(tally.counts.items()))
        if name:
            found = ReadFile(rows, passed, tally.stamps, tally.md5s.get(shard, ""))
            read_files.save(self.out, name, found)

    def not_read(self, path: Location, shards: Sequence[str]) -> NotCollected:
        """Return the refusal of some shards, named by a path, that are to be read one by one."""
        return NotCollected(
            "not all of the shards were read yet",
            file=str(path),
            expected=counted(len(shards), "shard"),
            found=f"{sum(map(self.is_kept, shards)):,} that were read",
            remedy="run the command that prepares them: it reads each of them first, and goes on"
            " where an interrupted one was",
        )

    def left(self, shards: Iterable[str]) -> tuple[str, ...]:
        """Return the names of what is kept of some shards all of which are remembered."""
        there = read_files.names(self.out)
        return tuple(sorted(there & {*map(self._name_of, shards)})) if there else ()

    @property
    def _schema(self) -> pa.Schema:
        return PLACES if self.is_own else COLLECTED

    def _read(self, shard: str, tally: Tally, progress: Progress) -> pa.Table:
        if self.is_own:
            return own_output.places(self.root, shard, tally, progress)
        return collecting.collect(self.root, shard, tally, self.label, progress)

    def _name_of(self, shard: str) -> str:
        """Return what is kept of a shard is called; "": it cannot be kept."""
        how = "places" if self.is_own else f"images, {self.label}"
        return read_files.name_of(storage.below(self.root, shard), how)
