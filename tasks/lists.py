"""The steps between archives and shards: a split's catalog, labels, plan, and unmatched boxes."""

from __future__ import annotations

import contextlib

from pipeline import manifest, paths, storage
from pipeline.annotations import boxjoin
from pipeline.catalog import plan
from pipeline.catalog import table as catalog
from pipeline.documents.shards import ShardTerms
from pipeline.documents.tables import CatalogMark, LabelsMark, PlanMark
from pipeline.job import appending
from pipeline.job.artifacts import CATALOG, LABELS_CHECK, PLAN, TERMS, UNMATCHED
from pipeline.manifest import Document
from pipeline.shards import terms
from pipeline.sources.inputs import LabelCheck
from pipeline.sources.source import Source
from pipeline.state import raw_archives as rawarchives
from pipeline.state import unverified
from pipeline.state.foreseen_links import box_join, catalog_rows
from pipeline.storage import clutter
from tasks.archives import CheckInputs, WalkArchive
from tasks.base import Volume
from tasks.splits import ProductTask, SplitTask


class BuildCatalog(SplitTask):
    """One row per image of a split, counted against the configuration."""

    makes = CATALOG
    document_kind = CatalogMark

    def make(self) -> Volume:
        """Turn what lies in the archive or tree into a catalog."""
        with unverified.waiting_for_md5(self.resolved, self.split_job):
            return self._make()

    def _make(self) -> Volume:
        indexes = unverified.indexes(self.resolved, self.split_job)
        for source in self.requires():
            if isinstance(source, WalkArchive):
                source.check_index()
            elif not isinstance(source, CheckInputs):
                self.check(source)
        boxes = box_join(self.resolved, self.split_job)
        split = self.split_job.by_walked_indexes() if indexes else self.split_job
        parts = catalog_rows(self.resolved, split, boxes)
        with contextlib.ExitStack() as stack:
            path = paths.catalog(self.folder, self.split, self.digest)
            staged = [stack.enter_context(storage.StagedFile(path))]
            rows, objects = catalog.write(staged[0], parts)
            if boxes is not None:
                boxes.check()
                path = paths.catalog_unmatched(self.folder, self.split, self.digest)
                staged.append(stack.enter_context(storage.StagedFile(path)))
                for piece in boxjoin.unmatched_pieces(boxes):
                    staged[1].write(piece)
            join = boxes.counts().to_json() if boxes is not None else None
            more = self._passed_over(split.source) | ({"indexes": indexes} if indexes else {})
            self.publish(*staged, rows=rows, boxes=objects, join=join, **more)
        return Volume(images=rows)

    def _passed_over(self, source: Source) -> Document:
        """Return the clutter in archives, and the tars that cannot be read and nobody needs."""
        if source.whole_files:
            return {}
        document = {"passed_over": source.passed_over(self.folder).to_json()}
        tars = (rawarchives.broken_tars(self.resolved, archive) for archive in source.inputs)
        broken = clutter.passed_over(tar.name for each in tars for tar in each)
        return document | ({"unreadable": broken.to_json()} if broken.count else {})


class CheckLabels(SplitTask):
    """The labels of a flat split agree with those of the devkit; `digest` is of both."""

    makes = LABELS_CHECK
    document_kind = LabelsMark

    @property
    def labels(self) -> LabelCheck:
        """What the labels are compared with."""
        check = self.split_job.source.labels
        if check is None:
            raise LookupError(f"no devkit is to be compared with the split {self.split}")
        return check

    def make(self) -> Volume:
        """Compare them, image by image."""
        images = self.labels.run(self.resolved.raw_file(self.labels.archive))
        manifest.publish_alone(self.mark(), {"images": images})
        return Volume()


class BuildPlan(SplitTask):
    """The catalog in shard order."""

    makes = PLAN
    document_kind = PlanMark

    def make(self) -> Volume:
        """Order the catalog and cut it into shards."""
        job = self.split_job
        listed = paths.catalog(self.folder, self.split, job.catalog_digest)
        self.check(*self.needed(CATALOG))
        of = paths.catalog_mark(self.folder, self.split, job.catalog_digest)
        indexes = manifest.read(of, CatalogMark).indexes
        path = paths.plan(self.folder, self.split, self.digest)
        places = job.boundaries()
        images = places[-1]
        before = appending.images_before(self.folder, job)
        rows = plan.arrange(listed, images, self.job.order, self.job.seed or 0, path, before)
        with storage.StagedFile(path) as staged:
            hashes = plan.write(staged, rows, places)
            more = {"indexes": indexes} if indexes else {}
            self.publish(staged, rows=images, shards=hashes, **more)
        return Volume(images=images)


class KeepTerms(SplitTask):
    """What decides the bytes of planned shards is known to those who write them elsewhere."""

    makes = TERMS
    document_kind = ShardTerms

    def make(self) -> Volume:
        """Keep it beside the plan."""
        terms.keep(self.folder, self.split_job)
        return Volume()


class WriteUnmatched(ProductTask):
    """The annotations that fit no image of a split, and what else became of them."""

    makes = UNMATCHED

    def make(self) -> Volume:
        """Copy what the catalog's step found."""
        self.claim()
        (source,) = self.needed(CATALOG)
        with self.invalidating(source):
            mark = manifest.read_checked(source.mark(), self.folder, CatalogMark)
        unmatched = paths.catalog_unmatched(self.folder, self.split, self.split_job.catalog_digest)
        self.publish_product(
            {paths.bboxes_unmatched(self.folder, self.split): [storage.read_bytes(unmatched)]},
            closing=boxjoin.closing_lines(mark.join) if mark.join else (),
        )
        return Volume()
