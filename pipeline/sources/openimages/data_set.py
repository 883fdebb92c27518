"""The data set that the options of Open Images mean: what was collected of each split."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, Final, Self

from pipeline.catalog.classes import LabelTable
from pipeline.errors import InputRefused, NotCollected, abbreviate
from pipeline.job.options import Job
from pipeline.sources.data_set import LISTS, DataSet
from pipeline.sources.kept_files import KeptFiles, Originals, Placeholders, Unneeded
from pipeline.sources.openimages import collected as collecting
from pipeline.sources.openimages import kept, places, presence, unselected
from pipeline.sources.openimages import own_names as names
from pipeline.sources.openimages.collected import SUFFIX, Collected
from pipeline.sources.openimages.collection import collection_of
from pipeline.sources.openimages.config import OpenImagesConfig
from pipeline.sources.openimages.own_names import DOWNLOADS, FOLDERS
from pipeline.sources.openimages.request import RequestRecord
from pipeline.sources.openimages.source import OpenImagesSource
from pipeline.sources.shard_count import shard_count
from pipeline.sources.source import Defaults, Expected, IsCut, Source, Split
from pipeline.storage import Location
from pipeline.storage.local.fingerprints import FileStamps

_DEFAULTS: Final = Defaults(suffix=SUFFIX, offsets=True, repairs=True, describes_objects=True)
_SHOWN: Final = 10
_PUBLISHED: Final = {
    "openimages": {
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "url": "https://storage.googleapis.com/openimages/web/index.html",
        "cite_as": "Alina Kuznetsova, Hassan Rom, Neil Alldrin, et al. The Open Images Dataset V4:"
        " Unified image classification, object detection, and visual relationship detection at"
        " scale. International Journal of Computer Vision, 128:1956-1981, 2020.",
    }
}


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenImagesSet(DataSet):
    """The splits of Open Images that are asked for, as they were collected."""

    config: OpenImagesConfig

    @staticmethod
    def is_meant(job: Job) -> bool:
        """Whether classes of Open Images are chosen."""
        return job.openimages.is_given

    @staticmethod
    def kept_files(out: Location) -> Iterator[KeptFiles]:
        """Yield the images and masks of all selections."""
        return kept.kept_files(out)

    @staticmethod
    def originals(job: Job, out: Location) -> Iterator[Originals]:
        """Yield the images of all selections."""
        config = collection_of(job).config
        return kept.originals(out, {name: config.split(name).key for name in config.splits})

    @staticmethod
    def unneeded(out: Location, selections: Collection[str]) -> Iterator[Unneeded]:
        """Yield the images, masks and tables of all other selections."""
        return unselected.unneeded(out, selections)

    @staticmethod
    def own_names(out: Path, like: Placeholders) -> Iterator[Path]:
        """Yield how images, masks, recipe files, lists of failures and tables are called."""
        return names.own_names(out, like)

    own_folders: ClassVar[tuple[str, ...]] = FOLDERS
    download_folders: ClassVar[tuple[str, ...]] = DOWNLOADS

    @classmethod
    def of(cls, job: Job, taken: Iterable[str] = ()) -> Self:
        """Return the data set of a job.

        Raises:
            ConfigError: the configuration cannot be understood.
        """
        del taken  # there are no class folders
        config = collection_of(job).config
        return cls(
            job=job,
            name=config.dataset,
            root=job.folder,
            splits={name: Split(name, f"{_FOLDER}/{name}") for name in config.splits},
            offers=frozenset({LISTS}),
            published=_PUBLISHED.get(config.dataset, {}),
            config=config,
        )

    @cached_property
    def table(self) -> LabelTable:
        """The chosen classes, by their indexes.

        Raises:
            NotCollected: nothing was selected yet.
        """
        names = self._names
        mark = next(iter(self._collected(names).values())).mark
        return LabelTable(
            self.config.path,
            tuple(each.mid for each in mark.classes),
            tuple(each.name for each in mark.classes),
            {},
        )

    @property
    def describes_objects(self) -> bool:
        """Return that its objects have classes of their own, and flags."""
        return _DEFAULTS.describes_objects

    @property
    def reads_boxes(self) -> bool:
        """Whether objects are wanted: each has a box."""
        options = self.job.openimages
        return options.boxes or options.masks or options.by == "masks"

    @property
    def reads_masks(self) -> bool:
        """Whether masks are asked for."""
        return self.job.openimages.masks

    @property
    def _names(self) -> tuple[str, ...]:
        return self.job.splits or tuple(self.splits)

    def read(self, names: Sequence[str], is_cut: IsCut) -> dict[str, Source]:
        """Look at each image of some splits; those of which no image is selected are left out.

        Raises:
            NotCollected: something is still to be collected.
            TreeRefused: an image is not as it was collected.
            InputRefused: images have no file, and that is not allowed.
        """
        del is_cut  # names of samples are short
        collected = self._collected(names)
        if self.job.on_bad_image == "fail":
            presence.check_all(collected.values())
        there = presence.with_images(collected)
        return {name: self._source(each, presence.look(each)) for name, each in there.items()}

    def recorded(self, names: Sequence[str]) -> dict[str, Source]:
        """Return what was collected, by the tables; no image is looked at."""
        there = presence.with_images(self._collected(names))
        return {name: self._source(each, None) for name, each in there.items()}

    @property
    def empty_splits(self) -> tuple[str, ...]:
        """The splits of which images are selected, and none is there."""
        every = self._every(self._names).items()
        return tuple(name for name, each in every if each.mark.images and not each.there)

    def beside(self) -> Iterator[str]:
        """Yield of which splits nothing is made, and why."""
        return presence.of_empty(self._every(self._names))

    def _every(self, names: Sequence[str]) -> dict[str, Collected]:
        """Return what was collected of each split.

        Raises:
            NotCollected: something is still to be collected.
        """
        out, masks = self.job.folder, self.job.openimages.masks
        for name in names:
            if name not in self._loaded:
                digest = self._selections[name]
                self._loaded[name] = collecting.load(out, name, digest, with_masks=masks)
        return {name: self._loaded[name] for name in names}

    @cached_property
    def _loaded(self) -> dict[str, Collected]:
        """What was loaded of each split: the marks of up to a thousand groups of images."""
        return {}

    def _collected(self, names: Sequence[str]) -> dict[str, Collected]:
        """Return what was collected of each split of which images are selected.

        Raises:
            NotCollected: something is still to be collected.
            InputRefused: no image of any is selected.
        """
        every = self._every(names)
        there = {name: each for name, each in every.items() if each.mark.images}
        if not there:
            raise InputRefused(
                "no image is selected",
                file=str(places.selections(self.job.folder)),
                expected=f"images in {abbreviate(names)}",
                found="none",
                remedy="choose other classes, or leave out what drops images",
            )
        return there

    @cached_property
    def _selections(self) -> Mapping[str, str]:
        """The digest of the selection of each split.

        Raises:
            NotCollected: the metadata is not there, and it is not known what it was.
        """
        collection = collection_of(self.job)
        try:
            return {name: collection.selection(name).digest for name in self._names}
        except NotCollected:
            known = self._record.recall() or {}
            if not known.keys() >= set(self._names):
                raise
            return known

    @property
    def _record(self) -> RequestRecord:
        return RequestRecord(self.job, self.config)

    def _source(self, collected: Collected, seen: FileStamps | None) -> OpenImagesSource:
        job, name = self.job, collected.split
        images, missing = collected.mark.images, collected.mark.images - collected.there
        classes = len(self.table.class_ids)
        several = classes if classes > 1 else 0  # of one, an image has at most that
        return OpenImagesSource(
            split=self.splits[name],
            root=self.root,
            expected=Expected({"": images}),
            shards=shard_count(job, name, images, missing, collected.bytes),
            defaults=replace(
                _DEFAULTS,
                multi_hot=several,
                class_names=self.table.names,
                reads_boxes=self.reads_boxes,
            ),
            collected=collected,
            table=self.table,
            info=self.config.split(name).images,
            raw=collection_of(job).raw,
            seen=seen,
            keep=partial(self._record.keep, self._selections),
        )


_FOLDER: Final = "images"
