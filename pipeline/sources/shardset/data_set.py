"""The data set that shards or archives of images are: one split, or those that their names say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final, Self

import pyarrow as pa

from pipeline import storage
from pipeline.archives.decompression import plain_name
from pipeline.archives.parquet_names import is_parquet
from pipeline.archives.passage import Progress
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import ClassTable
from pipeline.catalog.classes import LabelTable
from pipeline.errors import InputRefused
from pipeline.job.options import Job
from pipeline.quantities import counted
from pipeline.shards import foreign
from pipeline.sources import split_names
from pipeline.sources.data_set import DataSet
from pipeline.sources.glance import Glance
from pipeline.sources.imagelist import parquet_list
from pipeline.sources.inputs import Archive
from pipeline.sources.shard_count import shard_count
from pipeline.sources.shardset import (
    kept,
    labelling,
    object_classes,
    object_names,
    own_output,
    packed_tars,
    parquet_columns,
    shard_files,
    unmeant_options,
)
from pipeline.sources.shardset.collecting import Tally
from pipeline.sources.shardset.kept import Found
from pipeline.sources.shardset.labelling import Labelled
from pipeline.sources.shardset.own_output import OwnSplit
from pipeline.sources.shardset.shard_reading import ShardReading
from pipeline.sources.shardset.source import ShardSource
from pipeline.sources.source import Defaults, Expected, IsCut, Source, Split
from pipeline.storage.local.input_file import check_shareable

READ_AT_ONCE: Final = 64 << 20
"""Bytes of shards that are read within the command: more are read by its workers before it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ShardSet(DataSet):
    """What lies in some shards or archives.

    Attributes:
        files: of each split its shards, relative to the root.
        others: files beside them that are none.
        own: of a finished output of this program, its splits; else empty.
    """

    files: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...] = ()
    own: Mapping[str, OwnSplit]
    lists_files: ClassVar[bool] = True

    @staticmethod
    def is_meant(job: Job) -> bool:
        """Whether shards are named, or a tar where a list or a folder could be."""
        is_archive = shard_files.is_archive(job.images) and not parquet_list.is_meant(job)
        return bool(job.images) and (job.packed or is_archive)

    @classmethod
    def of(cls, job: Job, taken: Iterable[str] = ()) -> Self:
        """Return the data set of a job.

        Raises:
            UsageError: there are no shards, or no finished output.
            InputRefused: of shards that are numbered, one is missing.
        """
        del taken  # class folders are asked for later, and checked then
        split_names.check(job.name)
        path, root = storage.parse(job.images), storage.parse(job.root)
        check_shareable(path, "a shard")
        unmeant_options.check(job)
        own: dict[str, OwnSplit] = {}
        if job.packed and own_output.is_output(path):
            own = own_output.splits(path, job.source_format)
            unmeant_options.check_of_output(job, list(own))
            listed = shard_files.ShardFiles({name: each.files for name, each in own.items()})
        else:
            listed = shard_files.find(path, root, job.name)
            packed_tars.check_place(root, listed.splits.values())
            unmeant_options.check_of_shards(job, listed.splits.values())
        only = next(iter(listed.splits)) if len(listed.splits) == 1 else None
        return cls(
            job=job,
            name=only or split_names.of_file(path.name),
            root=path if own else root,
            splits={name: Split(name, name, has_classes=True) for name in listed.splits},
            own_orders=frozenset({"list"}),
            files=listed.splits,
            others=listed.others,
            own=own,
        )

    @cached_property
    def table(self) -> LabelTable:
        """The classes of a finished output, where each has an id; else those of objects.

        Raises:
            NotCollected: the shards are to be read first.
        """
        kinds = (kind for found, _ in self._found.values() for kind in found.kinds)
        if self._own_table.class_ids:
            return object_classes.named_by(self._own_table, kinds)
        return object_classes.table(kinds, storage.parse(self.job.images))

    @cached_property
    def _own_table(self) -> LabelTable:
        known = kept.label_table((found for found, _ in self._found.values()), self.root)
        return own_output.shared_table(self.own.values()) if known is None else known

    @cached_property
    def _object_names(self) -> tuple[str, ...] | None:
        every = [found for found, _ in self._found.values()]
        return object_names.of_splits(self._own_table, every, storage.parse(self.job.images))

    @cached_property
    def describes_objects(self) -> bool:
        """Whether there are objects that have flags, or classes of their own."""
        if self.own:
            return any(each.describes_objects for each in self.own.values())
        return any(found.described for found, _ in self._found.values())

    @property
    def reads_boxes(self) -> bool:
        """Whether there are boxes."""
        return any(found.objects for found, _ in self._found.values())

    def read(self, names: Sequence[str], is_cut: IsCut) -> dict[str, Source]:
        """Read the shards, unless they look as they did when they were read last."""
        return {name: self._source(name, is_cut) for name in names}

    def recorded(self, names: Sequence[str]) -> dict[str, Source] | None:
        """Return what was kept of shards that look as they did when they were read."""
        if any(self._kept(name) is None for name in names):
            return None
        return {name: self._source(name, foreign.is_cut) for name in names}

    def plain_tars(self) -> Iterator[str]:
        """Yield the names of the tars that packed shards are unpacked to."""
        every = (plain_name(file) for files in self.files.values() for file in files)
        yield from (name for name in every if name is not None)

    def archive(self, file: str) -> Archive:
        """Return the packed tar that a plain one is unpacked from, by the name of that."""
        every = (each for found, _ in self._found.values() for each in found.packed)
        return next(each for each in packed_tars.archives(every) if each.file == file)

    def beside(self) -> Iterator[str]:
        """Yield what lies beside the shards."""
        if self.others:
            others = counted(len(self.others), "file")
            yield f"passed over beside the shards: {others}, e.g. {', '.join(self.others[:3])}"

    @cached_property
    def _found(self) -> dict[str, tuple[Found, Glance]]:
        """What is in the shards of each chosen split: as it was kept, or as it is read now.

        Raises:
            NotCollected: they are too many bytes for that, and are to be read one by one first.
        """
        names = self.job.splits or tuple(self.splits)
        known = {name: self._kept(name) for name in names}
        if all(each is not None for each in known.values()):
            left = self._reading.left(shard for name in names for shard in self.files[name])
            return {
                name: (replace(each[0], read_files=left), each[1])
                for name, each in known.items()
                if each is not None
            }
        if shards := self.unlisted(names):
            raise self._reading.not_read(storage.parse(self.job.images), shards)
        return self._read(names)

    def _read(self, names: Sequence[str]) -> dict[str, tuple[Found, Glance]]:
        looks = {name: self._look(name) for name in names}
        tallies = {name: Tally() for name in names}
        reading = self._reading
        if self.own:
            labelled = {name: self.own[name].read(reading.rows_of(tallies[name])) for name in names}
        else:
            collected = {name: reading.collect(self.files[name], tallies[name]) for name in names}
            for name, table in collected.items():
                if not table.num_rows:
                    raise self._without_images(name, tallies[name])
            collected = self._chosen(collected, tallies)
            path = storage.parse(self.job.images)
            labelled = object_classes.numbered(labelling.label(collected, self._pinned, path))
        return {
            name: (
                replace(self._counted(name, each, tallies[name]), read_files=tuple(reading.used)),
                tallies[name].added_to(looks[name]),
            )
            for name, each in labelled.items()
        }

    def _chosen(
        self,
        collected: Mapping[str, pa.Table],
        tallies: Mapping[str, Tally],  # noqa: ARG002 - a list says which
    ) -> dict[str, pa.Table]:
        """Return those of the images of each split that are wanted, with their labels: all."""
        return dict(collected)

    def _asked_more(self) -> dict[str, object]:
        """Return what else decides how a split is read."""
        return {"label_column": self._label_column} if self._label_column else {}

    @property
    def _reading(self) -> ShardReading:
        return ShardReading(self.job.folder, self.root, self._label_column, bool(self.own))

    def unlisted(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the shards of some splits, where they are many bytes and not all were read."""
        if all(self._kept(name) is not None for name in names):
            return ()
        shards = [shard for name in names for shard in self.files[name]]
        infos = (storage.stat(storage.below(self.root, shard)) for shard in shards)
        if sum(info.size for info in infos if info) < READ_AT_ONCE:
            return ()
        return tuple(shards) if self._reading.has_unread(shards) else ()

    def is_listed(self, file: str) -> bool:
        """Whether a shard was read, and looks as it did then."""
        return self._reading.is_kept(file)

    def list_file(self, file: str, progress: Progress) -> None:
        """Read a shard."""
        self._reading.keep(file, progress)

    def _counted(self, name: str, labelled: Labelled, tally: Tally) -> Found:
        said = self.own[name].document.parameters if name in self.own else None
        names = said.class_names if said else self._class_names(name)
        of_objects = said.object_names if said else self._class_names(name, of_objects=True)
        found = kept.found(labelled, tuple(tally.lines()), tally.md5s, names)
        kinds = object_classes.with_names(found.kinds, of_objects or ())
        suffix, table = said.suffix if said else found.suffix, own_output.classes(self.own.values())
        return replace(found, suffix=suffix, kinds=kinds, table=table)

    def _class_names(self, name: str, *, of_objects: bool = False) -> tuple[str, ...]:
        """All classes as the Parquet files of a split name them; none where they do not agree."""
        columns = parquet_columns.OBJECTS if of_objects else (self._label_column,)
        files = [each for each in self.files[name] if is_parquet(each)]
        said = {parquet_columns.class_names(self.root, each, *columns) for each in files}
        return said.pop() if len(said) == 1 else ()

    def _without_images(self, name: str, tally: Tally) -> InputRefused:
        return InputRefused(
            f"no image in the shards of the split {name}",
            file=self.job.images,
            expected="one image or more",
            found="; ".join(tally.lines()) or "nothing",
            remedy="name other shards",
        )

    def _kept(self, name: str) -> tuple[Found, Glance] | None:
        known = kept.load(self.job.folder, name, self._asked(name))
        return known if known is not None and known[1].holds() else None

    def _look(self, name: str) -> Glance:
        places = [storage.below(self.root, file) for file in self.files[name]]
        return Glance({str(place): storage.settled(place) for place in places})

    @cached_property
    def _pinned(self) -> ClassTable | None:
        """The table of classes that was given; None: none was."""
        return classtable.read(Path(self.job.classes)) if self.job.classes else None

    @property
    def _label_column(self) -> str:
        """The column of Parquet files that was named; "": none was."""
        return "" if self.job.label_column == Job.label_column else self.job.label_column

    def _asked(self, name: str) -> str:
        """Return a digest of what decides how a split is read; others share its classes."""
        splits = self.job.splits or tuple(self.splits)
        return kept.asked(
            {
                **self._asked_more(),
                "classes": self._pinned.names if self._pinned is not None else None,
                "files": {each: self.files[each] for each in sorted({name, *splits})},
                "images": self.job.images,
                "output": self.own[name].document.digests.output if self.own else "",
                "root": str(self.root),
            }
        )

    def _source(self, name: str, is_cut: IsCut) -> Source:
        job, (found, look) = self.job, self._found[name]
        return ShardSource(
            split=self.splits[name],
            root=self.root,
            expected=Expected({"": found.images}),
            shards=shard_count(job, name, found.images, 0, found.bytes),
            defaults=self._defaults(name, found, is_cut),
            out=job.folder,
            path=storage.parse(job.images),
            asked=self._asked(name),
            found=found,
            look=look,
            table=self._own_table,
            inputs=packed_tars.archives(found.packed),
        )

    def _defaults(self, name: str, found: Found, is_cut: IsCut) -> Defaults:
        own = self.own.get(name)
        return Defaults(
            suffix=found.suffix,
            offsets=own.has_offsets if own else False,
            repairs=own.has_offsets if own else False,
            long_names=any(is_cut(key, found.suffix) for key in found.long_keys),
            describes_objects=found.described,
            multi_hot=own.document.parameters.multi_hot if own else 0,
            class_names=self._own_table.names or found.names,
            object_names=self._object_names,
        )
