"""A list whose images lie in an archive: a competition's ``train.csv`` beside its ``train.zip``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import pyarrow as pa

from pipeline import storage
from pipeline.errors import InputRefused, UsageError, abbreviate
from pipeline.job.options import Job
from pipeline.quantities import counted
from pipeline.sources import split_names
from pipeline.sources.glance import Glance
from pipeline.sources.imagelist import list_tables as listtables
from pipeline.sources.imagelist import parquet_list
from pipeline.sources.imagelist.annotated import opening
from pipeline.sources.imagelist.columns import Columns
from pipeline.sources.member_matching import Matching
from pipeline.sources.shardset import packed_tars, shard_files
from pipeline.sources.shardset.collecting import COLLECTED, Tally
from pipeline.sources.shardset.data_set import ShardSet
from pipeline.sources.source import Split
from pipeline.storage.local.input_file import check_shareable

_SHOWN: Final = 3
_ABSENT: Final = "a path of the list that is not in the archive"


@dataclass(frozen=True, eq=False, kw_only=True)
class ListedArchive(ShardSet):
    """The images of an archive that a list names, in its order, with its labels."""

    @staticmethod
    def is_meant(job: Job) -> bool:
        """Whether a list is named, and an archive as what its paths begin in."""
        is_list = not shard_files.is_archive(job.images) or parquet_list.is_meant(job)
        return (
            bool(job.images)
            and not job.packed
            and is_list
            and shard_files.is_archive(job.root)
            and not storage.is_folder(storage.parse(job.root))
        )

    @classmethod
    def of(cls, job: Job, taken: Iterable[str] = ()) -> Self:
        """Return the data set of a job.

        Raises:
            UsageError: there is no such archive, or an option means nothing for it.
        """
        del taken  # class folders are asked for later, and checked then
        path, archive = storage.parse(job.images), storage.parse(job.root)
        check_shareable(path, "an image list")
        check_shareable(archive, "an archive")
        if job.shares or job.split_column:
            raise UsageError(
                "the images of an archive that a list names are not divided into splits",
                file=job.root,
                remedy="leave --split NAME=SHARE and --split-column out; or unpack the archive, and"
                " name its folder with --root",
            )
        if opening.is_annotated(path, (), recursive=False):
            raise UsageError(
                "annotations with boxes are read beside a folder of images, and not an archive",
                file=job.root,
                remedy="unpack the archive, and name its folder with --root",
            )
        if storage.stat(archive) is None:
            raise UsageError("there is no such archive", file=job.root, remedy="correct --root")
        split_names.check(job.name)
        name = job.name or split_names.of_file(path.stem)
        files = {name: (archive.name,)}
        packed_tars.check_place(archive.parent, files.values())
        return cls(
            job=job,
            name=name,
            root=archive.parent,
            splits={name: Split(name, name, has_classes=True)},
            own_orders=frozenset({"list"}),
            files=files,
            own={},
        )

    @property
    def _label_column(self) -> str:
        """The column of the labels is that of the list."""
        return ""

    def _asked_more(self) -> dict[str, object]:
        job = self.job  # where paths that are not there are refused, nothing is kept
        return {"list": [job.path_column, job.label_column], "on_bad_image": job.on_bad_image}

    def _look(self, name: str) -> Glance:
        path = storage.parse(self.job.images)
        return Glance(super()._look(name).stamps | {str(path): storage.settled(path)})

    def _chosen(
        self, collected: Mapping[str, pa.Table], tallies: Mapping[str, Tally]
    ) -> dict[str, pa.Table]:
        """Return the images that the list names, in its order, with its labels.

        Raises:
            InputRefused: a path is that of no image, and these are not left out; or it may be that
                of several.
            BadAnnotation: the list is malformed.
        """
        job, (name,) = self.job, collected
        columns = Columns(job.path_column, job.label_column)
        path = storage.parse(job.images)
        listed = listtables.opened(path, (), columns, recursive=False, table=self._pinned)
        table = _joined(collected[name], listtables.tables(listed), tallies[name], job)
        return {name: table}


@dataclass
class _Labels:
    """The images of a list, by their numbers in the archive, with their labels; in its order."""

    places: list[int] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    vectors: list[list[float]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, place: int, values: list[float], text: str) -> None:
        """Add an image with its labels, and the class in words if the list has that."""
        is_class = len(values) == 1 and values[0] == int(values[0])
        self.places.append(place)
        self.numbers.append(int(values[0]) if is_class and not text and values[0] >= 0 else None)
        self.vectors.append([] if is_class else values)
        self.texts.append(text)

    def of(self, images: pa.Table) -> pa.Table:
        """Return the rows of these images, a table of `COLLECTED`."""
        rows = images.take(pa.array(self.places, pa.int64()))
        new = {
            "label": pa.array(self.numbers, pa.int32()),
            "class_text": pa.array(self.texts, pa.string()),
            "labels": pa.array(self.vectors, pa.list_(pa.float32())),
        }
        return pa.table({name: new.get(name, rows[name]) for name in COLLECTED.names}, COLLECTED)


def _joined(images: pa.Table, listed: Iterable[pa.Table], tally: Tally, job: Job) -> pa.Table:
    """Return the rows of images that a list names, a table of `COLLECTED`."""
    matching, labels = Matching(images["name"].to_pylist()), _Labels()
    for part in listed:
        columns = (part[name].to_pylist() for name in ("path", "line", "labels", "text"))
        for path, line, values, text in zip(*columns, strict=True):
            place = _find(matching, path, line, job)
            if place is None:
                tally.note(_ABSENT, f"line {line}: {path}")
            else:
                labels.add(place, values, text)
    _check_matched(len(labels.places), matching, tally, job)
    tally.told += _told(matching, labels.places)
    return labels.of(images)


def _check_matched(count: int, matching: Matching, tally: Tally, job: Job) -> None:
    """Raise where no path is that of an image, or some are not and may not be left out.

    Args:
        count: how many paths are.
        matching: has the images of the archive.
        tally: has counted the paths that are not.
        job: says whether images may be left out.
    """
    absent = tally.counts[_ABSENT]
    if not count:
        shown = abbreviate(matching.members, _SHOWN)
        raise InputRefused(
            "no path of the list is that of an image in the archive",
            file=job.images,
            expected=f"paths of members of {job.root}, such as {shown}",
            found=tally.examples.get(_ABSENT),
            remedy="name the column of the paths with --path-column, or another archive with"
            " --root",
        )
    if absent and job.on_bad_image == "fail":
        raise InputRefused(
            f"{absent:,} of the {count + absent:,} paths of the list are not in the archive",
            file=job.images,
            place=tally.examples[_ABSENT],
            expected=f"paths of members of {job.root}",
            remedy="get the whole archive, or correct the list, or leave such paths out with"
            " --on-bad-image skip: they are counted at the end",
        )


def _told(matching: Matching, places: list[int]) -> Iterator[str]:
    """Yield what is to be said of how the paths of a list and the members of an archive agree."""
    if matching.shortened:
        first = matching.members[places[0]]
        what = "paths of the list that are the end of a member's, or lack its extension"
        yield f"{what}: {matching.shortened:,}, e.g. {first}"
    named = {*places}
    left = [member for place, member in enumerate(matching.members) if place not in named]
    if left:
        yield f"in the archive, and not in the list: {counted(len(left), 'image')}, e.g. {left[0]}"


def _find(matching: Matching, path: str, line: int, job: Job) -> int | None:
    try:
        return matching.find(path)
    except LookupError:
        several = list(matching.like(path))
        raise InputRefused(
            "a path of the list may be one of several images in the archive",
            file=job.images,
            place=f"line {line}",
            expected=f"the path of one member of {job.root}",
            found=f"{path}: {abbreviate(several, _SHOWN)}",
            remedy="write the whole paths of the members",
        ) from None
