"""The data set that a list or a folder of images is: one split, or one for each folder of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from pipeline import storage
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import FolderClasses
from pipeline.catalog.classes import NO_LABELS, LabelTable
from pipeline.errors import InputRefused
from pipeline.job.options import Job
from pipeline.sources import split_names as splitnames
from pipeline.sources.data_set import DataSet
from pipeline.sources.glance import Folders, Glance
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist import list_checks as listchecks
from pipeline.sources.imagelist import list_splits as listsplits
from pipeline.sources.imagelist import list_tables as listtables
from pipeline.sources.imagelist import scan, snapshot
from pipeline.sources.imagelist import split_folders as splitfolders
from pipeline.sources.imagelist.annotated import opening
from pipeline.sources.imagelist.image_listing import ImageListing
from pipeline.sources.imagelist.list_splits import ListSplits
from pipeline.sources.imagelist.list_tables import Listed
from pipeline.sources.imagelist.snapshot import ListPlace
from pipeline.sources.imagelist.source import ListSource
from pipeline.sources.shard_count import shard_count
from pipeline.sources.source import Defaults, Expected, IsCut, Source, Split

_EXAMPLES: Final = 3
"""How many of the files that are passed over are named."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ListedSet(DataSet):
    """What a list or a folder names.

    Attributes:
        parts: its splits, and how the images are divided among them.
    """

    parts: ListSplits

    @staticmethod
    def is_meant(job: Job) -> bool:
        """Whether a list or folder is named."""
        return bool(job.images)

    @classmethod
    def of(cls, job: Job, taken: Iterable[str] = ()) -> Self:
        """Return the data set of a job.

        Raises:
            UsageError: see `list_splits.of_job`.
            BadAnnotation: see `list_splits.of_job`.
        """
        del taken  # class folders are asked for later, and checked then
        parts = listsplits.of_job(job)
        folders = parts.folders
        only = next(iter(folders)) if len(folders) == 1 else None
        return cls(
            job=job,
            name=only or splitnames.of_file(storage.parse(job.images).name),
            root=storage.parse(job.root),
            splits={
                name: Split(name, folder or name, has_classes=True)
                for name, folder in folders.items()
            },
            own_orders=frozenset({"list"}),
            parts=parts,
        )

    @cached_property
    def _is_annotated(self) -> bool:
        """Whether it is annotations with boxes."""
        place = next(iter(self._places(check=False).values()))
        return opening.is_annotated(place.path, place.extensions, recursive=place.recursive)

    @property
    def describes_objects(self) -> bool:
        """Whether there are objects, each with a class of its own."""
        return self._is_annotated

    @property
    def reads_boxes(self) -> bool:
        """Whether there are boxes."""
        return self._is_annotated

    @cached_property
    def _annotations(self) -> tuple[Listed, Glance | None]:
        """The annotations, and how they looked before they were read."""
        place, seen = next(iter(self._places().values())), Folders()
        how = place.how
        look = None if storage.is_folder(how.path) else Glance.of_list(how.path)
        opened = listtables.opened(
            how.path,
            how.extensions,
            how.columns,
            recursive=how.recursive,
            table=place.table,
            note=seen.note,
        )
        return opened, look or seen.glance()

    @property
    def table(self) -> LabelTable:
        """The classes of annotations, by their names; of other lists none.

        Raises:
            BadAnnotation: see `opening.open_annotations`.
        """
        if not self._is_annotated:
            return NO_LABELS
        known = snapshot.load(next(iter(self._places().values())))
        if known is not None and known[0].classes is not None and known[1].holds():
            classes: FolderClasses | None = known[0].classes
        else:
            classes = listtables.classes_of(self._annotations[0])
        names = classes.table.names if classes else ()
        return LabelTable(Path(self.job.images), names, names, {})

    def read(self, names: Sequence[str], is_cut: IsCut) -> dict[str, Source]:
        """Read the list, or list the folder, and look at the files that it names."""
        del names  # one list or folder is one job, with all of its splits
        storage.look_anew()
        places = self._places()
        if self.parts.division or len(places) == 1:
            opened = self._annotations if self._is_annotated else None
            return _of_whole(self.splits, places, is_cut, opened)
        return _of_split_folders(self.splits, places, is_cut)

    def recorded(self, names: Sequence[str]) -> dict[str, Source] | None:
        """Return what was kept of the list or folder, if that looks as it did then."""
        del names
        sources, tables = dict[str, Source](), set[tuple[str, ...] | None]()
        for name, place in self._places().items():
            known = snapshot.load(place)
            if known is None or not known[1].holds():
                return None
            tables.add(known[0].classes.table.names if known[0].classes else None)
            sources[name] = _source(self.splits[name], place, *known)
        # The splits of a folder share a table; a command that was killed has not kept it for all.
        return sources if len(tables) == 1 else None

    def _places(self, *, check: bool = True) -> dict[str, ListPlace]:
        """Return where each split lies.

        Args:
            check: whether the list or folder has to be there.

        Raises:
            UsageError: there is no such list or folder.
            ConfigError: the table of classes cannot be understood.
        """
        if check:
            listchecks.check_there(self.job, is_annotated=self._is_annotated)
        table = classtable.read(Path(self.job.classes)) if self.job.classes and check else None
        return {name: ListPlace(self.job, name, self.parts, table) for name in self.splits}

    def beside(self) -> Iterator[str]:
        """Yield what lies beside the folders of the splits."""
        if len(self.splits) > 1 and not self.parts.division:
            folder = storage.parse(self.job.images)
            names = splitfolders.beside(folder, list(self.parts.folders.values()))
            if names:
                shown = ", ".join(names[:_EXAMPLES])
                yield f"passed over beside the splits in {folder}: {len(names):,}, e.g. {shown}"


def _of_whole(
    splits: Mapping[str, Split],
    places: Mapping[str, ListPlace],
    is_cut: IsCut,
    opened: tuple[Listed, Glance | None] | None,
) -> dict[str, Source]:
    """Read a list, or a folder whose images are one split or are divided among some.

    Args:
        splits: the splits.
        places: where each lies: in one list or folder.
        is_cut: see `IsCut`.
        opened: what is opened of it already, and how it looked before.
    """
    place = next(iter(places.values()))
    folders = Folders()
    is_list = not storage.is_folder(place.path)
    scanned, look = opened or (None, Glance.of_list(place.path) if is_list else None)
    found = scan.divided(
        place.how,
        list(places),
        table=place.table,
        scanned=scanned,
        is_cut=is_cut,
        note=folders.note,
    )
    classes = next(iter(found.values())).classes
    if not (is_list or opened) and place.table is None and classes is not None:
        splitfolders.check(place.path, classes.table.names)
    images = sum(listed.images for listed in found.values())
    look = look if opened or look else folders.glance()
    sources: dict[str, Source] = {}
    for name, listed in found.items():
        listchecks.check_not_empty(place.job, name, listed, images)
        sources[name] = _source(splits[name], places[name], listed, look)
    return sources


def _of_split_folders(
    splits: Mapping[str, Split], places: Mapping[str, ListPlace], is_cut: IsCut
) -> dict[str, Source]:
    """Read each split's folder; without a table, all classes of all are one table."""
    seen = {name: Folders() for name in places}
    scanned = {
        name: listing.scan(
            place.path,
            recursive=True,
            extensions=place.extensions,
            table=place.table,
            note=seen[name].note,
        )
        for name, place in places.items()
    }
    if all(place.table is None for place in places.values()):
        table = classtable.union(each.classes.table for each in scanned.values() if each.classes)
        scanned = {name: each.numbered(table) for name, each in scanned.items()}
    sources: dict[str, Source] = {}
    for name, place in places.items():
        listed = scan.scan(
            place.path,
            place.root,
            recursive=True,
            extensions=place.extensions,
            prefix=place.prefix,
            scanned=scanned[name],
            is_cut=is_cut,
        )
        sources[name] = _source(splits[name], place, listed, seen[name].glance())
    return sources


def _defaults(listed: ImageListing) -> Defaults:
    classes = len(listed.classes.table.names) if listed.classes else 0
    has_vectors = listed.objects is not None and listed.objects.has_vectors
    return Defaults(
        suffix=listed.suffix,
        offsets=False,
        repairs=False,
        long_names=listed.long_names,
        describes_objects=listed.objects is not None,
        multi_hot=classes if has_vectors and classes > 1 else 0,
        reads_boxes=listed.objects is not None,
    )


def _source(
    split: Split, place: ListPlace, listed: ImageListing, look: Glance | None
) -> ListSource:
    job = place.job
    listchecks.check_backslashes(job, listed)
    if listed.missing == listed.images:
        raise InputRefused(
            "none of the images is there",
            file=job.images,
            expected=f"{listed.images:,} files below {listed.root}",
            found="none of them",
            remedy="name the folder that the paths are relative to with --root",
        )
    return ListSource(
        split=split,
        root=storage.parse(job.root),
        expected=Expected({"": listed.images}),
        shards=shard_count(job, split.name, listed.images, listed.missing, listed.bytes),
        defaults=_defaults(listed),
        place=place,
        listing=listed,
        look=look,
    )
