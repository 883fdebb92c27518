"""The data set of a configuration file: ILSVRC2012, or a set of its shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pipeline import digests, paths, storage
from pipeline.annotations import bboxes, contents
from pipeline.catalog import classes as labels
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveMissing, ConfigError, InputRefused, UsageError
from pipeline.job.options import Job
from pipeline.sources.data_set import BOXES, EXPORTS, EXTRACT, LISTS, DataSet
from pipeline.sources.ilsvrc2012 import dataset as configuration
from pipeline.sources.ilsvrc2012 import devkit, snapshot, tree
from pipeline.sources.ilsvrc2012.dataset import DatasetConfig, SplitConfig
from pipeline.sources.ilsvrc2012.expectation import Expectation, expectation
from pipeline.sources.ilsvrc2012.source import (
    ArchiveSource,
    DevkitCheck,
    Ilsvrc2012Source,
    TreeSource,
)
from pipeline.sources.ilsvrc2012.tree import TreeListing
from pipeline.sources.inputs import Archive, BoxSource
from pipeline.sources.source import Defaults, IsCut, Source, Split

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
    def of(job: Job, taken: Iterable[str] = ()) -> ConfiguredSet:
        """Read the configuration of a job; no folder of a split may have a name of `taken`.

        Raises:
            ConfigError: it cannot be understood.
        """
        config = configuration.load(Path(job.config), taken)
        return ConfiguredSet(
            job=job,
            name=config.dataset,
            root=Path(job.tree or job.raw),
            splits={name: _split(split) for name, split in config.splits.items()},
            archives=config.archives,
            optional=config.optional,
            offers=frozenset({BOXES, LISTS, EXTRACT, EXPORTS}),
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

    def sources(self, names: Sequence[str], is_cut: IsCut) -> dict[str, Source]:
        """List the tree, if there is one; the content of archives follows from their MD5s."""
        del is_cut  # such names are short
        chosen = self.job.classes
        classes = labels.load_classes(Path(chosen), self.table) if chosen else None
        return {name: self._source(self.config.splits[name], classes) for name in names}

    @property
    def class_texts(self) -> Archive | None:
        """The devkit, if it is asked for."""
        return self.named(_DEVKIT) if _DEVKIT in self.job.extras else None

    def read_class_texts(self, file: Path) -> dict[str, tuple[str, str]]:
        """Return the words and glosses of classes in a devkit."""
        return devkit.read_texts(file)

    def annotations(self, split: str, tree_folder: Path) -> tuple[Path, bool] | None:
        """Return a split's folder of annotations in a tree, and whether they are filtered."""
        form = self.config.splits.get(split)
        folder = tree.annotation_folder(tree_folder, form) if form is not None else None
        if form is None or folder is None:
            return None
        return folder, self.job.box_class_filter and form.layout == "class-tars"

    def _source(self, config: SplitConfig, classes: tuple[str, ...] | None) -> Ilsvrc2012Source:
        skip = self.job.skip_blacklisted
        expected = expectation(config, self.table, classes, skip_blacklisted=skip)
        known: dict[str, Any] = {
            "split": self.splits[config.name],
            "root": self.root,
            "expected": expected,
            "shards": _shards(self.job, config, expected.images),
            "defaults": _DEFAULTS,
            "classes": classes,
            "left_out": len(expected.left_out),
            "labels": self._label_check(config, expected),
            "config": config,
            "table": self.table,
        }
        if not self.job.tree:
            archive = self.archive(config.archive)
            return ArchiveSource(inputs=(archive,), boxes=self._boxes(config), **known)
        listing, boxes = self._in_tree(config, classes)
        replaced = {config.archive}
        if boxes is not None and boxes.archive is None and config.boxes:
            replaced.add(self.named(config.boxes).file)
        return TreeSource(
            job=self.job, listing=listing, boxes=boxes, replaces=frozenset(replaced), **known
        )

    def _label_check(self, config: SplitConfig, expected: Expectation) -> DevkitCheck | None:
        if _DEVKIT not in self.job.extras or not config.labels:
            return None
        return DevkitCheck(self.named(_DEVKIT), expected.numbered, config.labels, self.table)

    def _in_tree(
        self, config: SplitConfig, classes: tuple[str, ...] | None
    ) -> tuple[TreeListing, BoxSource | None]:
        """Return the files of a split in a tree, and its boxes."""
        job = self.job
        if not job.wants("lists", "extract", "shards"):
            return TreeListing.nothing(), self._boxes(config)
        try:
            return _listing(job, config, classes), self._boxes(config)
        except InputRefused:
            record = snapshot.recall(job, config)
            folder = storage.real_folder(Path(job.tree))
            if record is None or (folder is not None and tree.look(folder, config) is not None):
                raise
        # The tree is gone: what was made of it may be all that is wanted.
        by_class = config.layout == "class-tars"
        filtered = job.box_class_filter and by_class
        boxes = BoxSource(Path(job.tree), None, filtered, by_class, record.boxes or "")
        return record.listing, boxes if record.boxes else None

    def _boxes(self, config: SplitConfig) -> BoxSource | None:
        job = self.job
        if not job.boxes or config.boxes is None:
            return None
        if config.boxes in self.optional and config.boxes not in job.extras:
            return None
        archive = self.named(config.boxes)
        by_class = config.layout == "class-tars"
        filtered = job.box_class_filter and by_class
        wnids = digests.digest({"wnids": self.table.wnids}) if filtered else None
        folder = tree.annotation_folder(Path(job.tree), config) if job.tree else None
        if folder is None and not job.raw:
            raise _no_annotations(job, config, archive)
        out = Path(job.out)
        kept = paths.annotation_contents(out, config.name)
        found = None if folder is None else contents.scan(folder, out, kept)
        content = archive.md5 if found is None else found.digest
        digest = digests.digest({"content": content, "filter": wnids, "version": bboxes.VERSION})
        if folder is not None:
            return BoxSource(folder, None, filtered, by_class, digest, found)
        return BoxSource(Path(job.raw) / archive.file, archive, filtered, by_class, digest)


def _split(config: SplitConfig) -> Split:
    return Split(
        config.name,
        config.folder,
        flat=config.layout == "flat",
        has_classes=config.has_classes,
        has_blacklist=config.blacklist is not None,
    )


def _shards(job: Job, config: SplitConfig, images: int) -> int:
    """Return how many shards are made of a split: as many as are asked for, or as configured."""
    given = dict(job.shards).get(config.name)
    shards = min(config.shards, max(1, images)) if given is None else given
    if images == 0:
        raise ConfigError(
            f"split {config.name}: no image is expected of the chosen classes",
            remedy="choose other classes with --classes, or leave the split out",
        )
    if not 1 <= shards <= images:
        raise UsageError(
            f"--shards {config.name}={shards}: a shard would be empty, and none may be",
            expected=f"1 to {images}, the number of images",
            found=str(shards),
            remedy=f"say --shards {config.name}=N with N in that range",
        )
    return shards


def _no_annotations(job: Job, config: SplitConfig, archive: Archive) -> ArchiveMissing:
    return ArchiveMissing(
        f"split {config.name}: there are no annotations of bounding boxes in the tree",
        file=job.tree,
        expected=f"a folder of annotations, or --raw with a folder that holds {archive.file}",
        remedy="name it with --raw, or say --no-boxes",
    )


def _listing(job: Job, config: SplitConfig, classes: tuple[str, ...] | None) -> TreeListing:
    target = paths.tree(Path(job.out), config.folder)
    moved = job.transfer == "move" and job.wants("extract")
    made = target if job.wants("extract") else None
    chosen = None if classes is None else frozenset(classes)
    also = target if moved else None
    listing = tree.scan(Path(job.tree), config, also=also, made=made, classes=chosen)
    source = Path(job.tree) / listing.folder
    if not moved and storage.is_within(Path(job.out), source):
        raise UsageError(
            f"split {config.name}: the output would lie among the images that are read",
            file=job.out,
            expected=f"a folder outside of {source}",
            remedy="choose another --out",
        )
    if job.wants("extract") and not moved and storage.same_folder(source, target):
        raise UsageError(
            f"split {config.name}: the tree to make is the one to read",
            file=str(source),
            remedy="say --transfer move to reorganise it in place, or choose another --out",
        )
    return listing
