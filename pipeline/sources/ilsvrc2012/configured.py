"""The data set of a configuration file: ILSVRC2012, or a set of its shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, Self

from pipeline import digests, paths, storage
from pipeline.annotations import bboxes, contents
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveMissing, InputRefused
from pipeline.job.options import Job
from pipeline.sources.data_set import BOXES, EXTRACT, LISTS, DataSet
from pipeline.sources.glance import Folders, Glance, Note, no_note
from pipeline.sources.ilsvrc2012 import dataset as configuration
from pipeline.sources.ilsvrc2012 import devkit, first_pass, readtree, snapshot, tree
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012.dataset import DatasetConfig, SplitConfig
from pipeline.sources.ilsvrc2012.expectation import Expectation, expectation
from pipeline.sources.ilsvrc2012.left_out import LeftOut, pinned
from pipeline.sources.ilsvrc2012.packed_archives import check as check_packed
from pipeline.sources.ilsvrc2012.shard_number import shard_number
from pipeline.sources.ilsvrc2012.snapshot import TreeRecord
from pipeline.sources.ilsvrc2012.source import (
    ArchiveSource,
    DevkitCheck,
    Ilsvrc2012Source,
)
from pipeline.sources.ilsvrc2012.tree import TreeListing
from pipeline.sources.ilsvrc2012.tree_source import TreeSource
from pipeline.sources.inputs import Archive, BoxSource
from pipeline.sources.source import Defaults, IsCut, Source, Split
from pipeline.storage import Location

_DEVKIT: Final = "devkit"
_DEFAULTS: Final = Defaults(suffix=".JPEG", offsets=True, repairs=True)
_PUBLISHED: Final = {
    "ilsvrc2012": {
        "license": "https://image-net.org/download.php",
        "url": "https://image-net.org/challenges/LSVRC/2012/",
        "cite_as": "Olga Russakovsky, Jia Deng, Hao Su, et al. ImageNet Large Scale Visual "
        "Recognition Challenge. International Journal of Computer Vision, 115:211-252, 2015.",
    }
}


@dataclass(frozen=True, eq=False, kw_only=True)
class ConfiguredSet(DataSet):
    """The splits of a configuration file, in archives or in a tree."""

    config: DatasetConfig

    @staticmethod
    def is_meant(job: Job) -> bool:
        """Whether no list or folder is named, but archives or an unpacked tree."""
        return not job.images

    @classmethod
    def of(cls, job: Job, taken: Iterable[str] = ()) -> Self:
        """Read the configuration of a job; no folder of a split may have a name of `taken`.

        Raises:
            ConfigError: it cannot be understood.
        """
        config = configuration.load(Path(job.config), taken)
        check_packed(job, config)
        out = job.folder if job.out else None
        changed_in = storage.parse(job.raw) if job.update and job.raw and not job.tree else None
        return cls(
            job=job,
            name=config.dataset,
            root=storage.parse(job.tree or job.archives or "."),
            splits={name: _split(split) for name, split in config.splits.items()},
            archives=first_pass.with_md5(out, config.archives, changed_in),
            optional=first_pass.with_md5(out, config.optional, changed_in),
            offers=frozenset({BOXES, LISTS, EXTRACT}),
            own_orders=frozenset({"inception"}),
            published=_PUBLISHED.get(config.dataset, {}),
            config=config,
        )

    @cached_property
    def table(self) -> LabelTable:
        """The label table."""
        return labels.load_table(self.config.label_table)

    @property
    def default_splits(self) -> tuple[str, ...]:
        """The splits of archives that are always there, or that are asked for."""
        return tuple(
            name
            for name, split in self.config.splits.items()
            if not split.optional or self.archive(split.archive).name in self.job.extras
        )

    def read(self, names: Sequence[str], is_cut: IsCut) -> dict[str, Source]:
        """List the tree, if there is one; the content of archives follows from their MD5s."""
        del is_cut  # such names are short
        classes = self._classes()
        return {name: self._source(self.config.splits[name], classes) for name in names}

    def recorded(self, names: Sequence[str]) -> dict[str, Source] | None:
        """Return what was kept of the tree, if its folders look as they did then."""
        classes, sources = self._classes(), dict[str, Source]()
        for name in names:
            config = self.config.splits[name]
            record = self._known(config, classes) if self.job.tree else None
            if self.job.tree and record is None:
                return None
            sources[name] = self._source(config, classes, record)
        return sources

    def _classes(self) -> tuple[str, ...] | None:
        """Return the chosen classes; None: all.

        Raises:
            ConfigError: the choice cannot be understood.
        """
        chosen = self.job.classes
        return labels.load_classes(Path(chosen), self.table) if chosen else None

    def _known(self, config: SplitConfig, classes: tuple[str, ...] | None) -> TreeRecord | None:
        """Return what was kept of a split in a tree, if the same folder still is the split's."""
        job = self.job
        if (
            not readtree.wants_images(job)
            or readtree.moves(job)
            or storage.real_folder(Path(job.tree)) is None
        ):
            return None
        record = snapshot.load(job, config, classes)
        target = readtree.target(job, config)
        if (
            record is None
            or tree.find_or_none(Path(job.tree), config, exclude=target) != record.listing.folder
        ):
            return None
        return record

    @property
    def class_texts(self) -> Archive | None:
        """The devkit, if it is asked for."""
        return self.named(_DEVKIT) if _DEVKIT in self.job.extras else None

    def read_class_texts(self, file: Location) -> dict[str, tuple[str, str]]:
        """Return the words and glosses of classes in a devkit."""
        return devkit.read_texts(file)

    def annotations(self, split: str, tree_folder: Path) -> tuple[Path, bool] | None:
        """Return a split's folder of annotations in a tree, and whether they are filtered."""
        form = self.config.splits.get(split)
        folder = tree.annotation_folder(tree_folder, form) if form is not None else None
        if form is None or folder is None:
            return None
        return folder, self._filters_boxes(form)

    def _filters_boxes(self, config: SplitConfig) -> bool:
        """Whether boxes of other classes than that of their folder are left out."""
        return self.job.box_class_filter and config.by_class

    def _source(
        self,
        config: SplitConfig,
        classes: tuple[str, ...] | None,
        record: TreeRecord | None = None,
    ) -> Ilsvrc2012Source:
        """Return the source of a split; of a tree by what is known of it, if that is given."""
        skip, config = self.job.skip_blacklisted, self._left_out.complete(config)
        expected = expectation(config, self.table, classes, skip_blacklisted=skip)
        known: dict[str, Any] = {
            "split": self.splits[config.name],
            "root": self.root,
            "expected": expected,
            "shards": shard_number(self.job, config, expected.images),
            "defaults": replace(
                _DEFAULTS, class_names=self.table.names, reads_boxes=self.reads_boxes
            ),
            "classes": classes,
            "left_out": len(expected.left_out),
            "labels": self._label_check(config, expected),
            "config": config,
            "table": self.table,
        }
        if not self.job.tree:
            archive = pinned(self.archive(config.archive))
            is_copied = self.job.remote.stage_folder
            origin = storage.parse(self.job.raw) if is_copied else None
            return ArchiveSource(
                inputs=(archive,), boxes=self._boxes(config), origin=origin, **known
            )
        if record is not None:
            readtree.check_out(self.job, config, record.listing.folder)
            listing, look = record.listing, record.look
            boxes = self._boxes(config, known=record.annotations)
        else:
            listing, boxes, look = self._in_tree(config, classes)
        replaced = {config.archive}
        if boxes is not None and boxes.archive is None and config.boxes:
            replaced.add(self.named(config.boxes).file)
        return TreeSource(
            job=self.job,
            listing=listing,
            look=look,
            boxes=boxes,
            replaces=frozenset(replaced),
            list_again=partial(readtree.listing, self.job, config, classes, no_note),
            **known,
        )

    @property
    def _left_out(self) -> LeftOut:
        """What the configuration does not say, and what was recorded of it."""
        return LeftOut(self.job, self.config, {**self.archives, **self.optional}, self.table)

    def unread(self, names: Sequence[str]) -> tuple[Archive, ...]:
        """Return the archives whose MD5, or the number of whose images, nobody has said yet."""
        if self.config.says_all:
            return ()
        splits = [self.config.splits[name] for name in names]
        extras = [self.optional[name] for name in self.job.extras if name in self.optional]
        return self._left_out.unread(splits, [*map(self._box_archive, splits), *extras])

    def record(self, archive: Archive, md5: str) -> None:
        """Record the MD5 of an archive, and count the images of the splits that lie in it."""
        self._left_out.record(archive, md5)

    def _box_archive(self, config: SplitConfig) -> Archive | None:
        """Return the archive of a split's boxes, if they are read from one."""
        job = self.job
        if not job.boxes or config.boxes is None or not job.raw:
            return None
        if config.boxes in self.optional and config.boxes not in job.extras:
            return None
        if job.tree and tree.annotation_folder(Path(job.tree), config) is not None:
            return None
        return self.named(config.boxes)

    def _label_check(self, config: SplitConfig, expected: Expectation) -> DevkitCheck | None:
        if _DEVKIT not in self.job.extras or not config.labels:
            return None
        return DevkitCheck(self.named(_DEVKIT), expected.numbered, config.labels, self.table)

    def _in_tree(
        self, config: SplitConfig, classes: tuple[str, ...] | None
    ) -> tuple[TreeListing, BoxSource | None, Glance | None]:
        """Return the files of a split in a tree, its boxes, and how the folders looked before."""
        job = self.job
        if not readtree.wants_images(job):
            return TreeListing.nothing(), self._boxes(config), None
        folders = Folders()
        try:
            listing = readtree.listing(job, config, classes, folders.note)
            boxes = self._boxes(config, folders.note)
        except InputRefused:
            record = snapshot.load_gone(job, config)
            folder = storage.real_folder(Path(job.tree))
            there = folder is not None and tree.find_or_none(folder, config) is not None
            if record is None or there:
                raise
        else:
            # What the job moves looks otherwise all the time.
            return listing, boxes, None if readtree.moves(job) else folders.glance()
        # The tree is gone: what was made of it may be all that is wanted.
        if not record.boxes:
            return record.listing, None, None
        by_class, filtered = config.by_class, self._filters_boxes(config)
        boxes = BoxSource(Path(job.tree), None, filtered, by_class, record.boxes)
        return record.listing, boxes, None

    def _boxes(
        self, config: SplitConfig, note: Note = no_note, *, known: str = ""
    ) -> BoxSource | None:
        """Return where the boxes of a split come from; None: none are wanted.

        Args:
            config: the split.
            note: called with each folder of annotations before it is listed.
            known: the digest of the annotations in the tree, if they need not be looked at.
        """
        job = self.job
        if not job.boxes or config.boxes is None:
            return None
        if config.boxes in self.optional and config.boxes not in job.extras:
            return None
        archive = self.named(config.boxes)
        by_class, filtered = config.by_class, self._filters_boxes(config)
        wnids = digests.digest({"wnids": self.table.class_ids}) if filtered else None
        folder = tree.annotation_folder(Path(job.tree), config) if job.tree else None
        if folder is None and not job.raw:
            raise _no_annotations(job, config, archive)
        if folder is None:
            digest = _box_digest(pinned(archive).md5, wnids)
            return BoxSource(
                storage.parse(job.archives) / archive.file, archive, filtered, by_class, digest
            )
        out = job.folder
        kept = paths.annotation_contents(out, config.name)
        found = None if known else contents.scan(folder, out, kept, note)
        content = known if found is None else found.digest
        digest = _box_digest(content, wnids)
        return BoxSource(folder, None, filtered, by_class, digest, content, found)


def _box_digest(content: str, wnids: str | None) -> str:
    return digests.digest({"content": content, "filter": wnids, "version": bboxes.VERSION})


def _split(config: SplitConfig) -> Split:
    return Split(
        config.name,
        config.folder,
        flat=config.layout == "flat",
        has_classes=config.has_classes,
        has_blacklist=config.blacklist is not None,
    )


def _no_annotations(job: Job, config: SplitConfig, archive: Archive) -> ArchiveMissing:
    return ArchiveMissing(
        f"split {config.name}: there are no annotations of bounding boxes in the tree",
        file=job.tree,
        expected=f"a folder of annotations, or --raw with a folder that holds {archive.file}",
        remedy="name it with --raw, or say --no-boxes",
    )
