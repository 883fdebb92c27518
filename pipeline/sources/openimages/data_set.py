"""The data set that the options of Open Images mean: what was collected of each split."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, Final, Self

import numpy as np

from pipeline import storage
from pipeline.catalog.classes import LabelTable
from pipeline.errors import InputRefused, NotCollected, TreeRefused, abbreviate
from pipeline.job.options import Job
from pipeline.plaintext import Lines
from pipeline.quantities import counted, verb
from pipeline.sources.data_set import LISTS, DataSet
from pipeline.sources.kept_files import KeptFiles, Originals, Placeholders, Unneeded
from pipeline.sources.openimages import collected as collecting
from pipeline.sources.openimages import kept, places, unselected
from pipeline.sources.openimages import own_names as names
from pipeline.sources.openimages.collected import SUFFIX, Collected
from pipeline.sources.openimages.collection import collection_of
from pipeline.sources.openimages.config import OpenImagesConfig
from pipeline.sources.openimages.images import image_rows
from pipeline.sources.openimages.own_names import FOLDERS
from pipeline.sources.openimages.request import RequestRecord
from pipeline.sources.openimages.source import OpenImagesSource
from pipeline.sources.shard_count import shard_count
from pipeline.sources.source import Defaults, Expected, IsCut, Source, Split
from pipeline.storage import Location
from pipeline.storage.local.fingerprints import FileStamps, path_hashes

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
        sources = {name: self._source(each, _look(each)) for name, each in collected.items()}
        if self.job.on_bad_image == "fail":
            _check_absent(collected.values())
        return dict(sources)

    def recorded(self, names: Sequence[str]) -> dict[str, Source]:
        """Return what was collected, by the tables; no image is looked at."""
        return {name: self._source(each, None) for name, each in self._collected(names).items()}

    def _collected(self, names: Sequence[str]) -> dict[str, Collected]:
        """Return what was collected of each split that has an image.

        Raises:
            NotCollected: something is still to be collected.
        """
        every = {
            name: collecting.load(
                self.job.folder,
                name,
                self._selections[name],
                with_masks=self.job.openimages.masks,
            )
            for name in names
        }
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
        if not collected.there:
            raise InputRefused(
                f"none of the images of {name} is there",
                file=str(places.failures(collected.out, name)),
                expected=f"{images:,} images",
                found="none of them",
                remedy="look at the list of failures: is this the bucket of Open Images?",
            )
        classes = len(self.table.class_ids)
        several = classes if classes > 1 else 0  # of one, an image has at most that
        return OpenImagesSource(
            split=self.splits[name],
            root=self.root,
            expected=Expected({"": images}),
            shards=shard_count(job, name, images, missing, collected.bytes),
            defaults=replace(_DEFAULTS, multi_hot=several),
            collected=collected,
            table=self.table,
            info=self.config.split(name).images,
            raw=collection_of(job).raw,
            seen=seen,
            keep=partial(self._record.keep, self._selections),
        )


_FOLDER: Final = "images"


def _look(collected: Collected) -> FileStamps:
    """Look at each image of a split, and return how their files look.

    Raises:
        TreeRefused: a file is not there, or has another size than when it was collected.
    """
    hashes, stamps = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for rows in collected.outcome_groups(["image_id", "outcome", "bytes"]):
        columns = (rows[name].to_pylist() for name in ("image_id", "outcome", "bytes"))
        expected = {
            collected.source(image_id): size if outcome in image_rows.THERE else -1
            for image_id, outcome, size in zip(*columns, strict=True)
        }
        looks = storage.file_stamps(collected.out, expected)
        for (path, size), (found, _) in zip(expected.items(), looks, strict=True):
            if size >= 0 and size != found:
                raise TreeRefused(
                    "an image is not as it was collected",
                    file=str(Path(str(collected.out), path)),
                    expected=f"{size:,} bytes",
                    found=f"{found:,} bytes" if found >= 0 else "no file",
                    remedy="run the same command again: it alone is fetched again",
                )
        hashes.append(path_hashes(list(expected)))
        absent = storage.ABSENT
        pairs = zip(expected.values(), looks, strict=True)
        each = [stamp if size >= 0 else absent for size, (_, stamp) in pairs]
        stamps.append(np.array(each, np.uint64))
    return FileStamps.of(np.concatenate(hashes), np.concatenate(stamps))


def _check_absent(every: Iterable[Collected]) -> None:
    """Check that each image has a file.

    Raises:
        InputRefused: some have none.
    """
    lacking = [each for each in every if each.absences]
    if not lacking:
        return
    count = sum(len(each.absences) for each in lacking)
    shown = list(_absences(lacking))[:_SHOWN]
    more = [f"and {count - len(shown):,} more"] if count > len(shown) else []
    raise InputRefused(
        f"{counted(count, 'image')} {verb(count, 'has', 'have')} no file",
        file=abbreviate(str(places.failures(each.out, each.split)) for each in lacking),
        place=Lines.of([*shown, *more]),
        remedy="leave them out with --on-bad-image skip, which fetches nothing again; or ask for"
        " them again with --retry-absent",
    )


def _absences(every: Iterable[Collected]) -> Iterator[str]:
    for each in every:
        for image_id, reason in each.absences.items():
            yield f"{each.split}/{image_id}: {reason}"
