"""Steps between archives and shards: the catalog of a split, its plan, its image list."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from pipeline import manifest, paths, storage
from pipeline.annotations import boxjoin, boxtable
from pipeline.annotations.boxjoin import BoxJoin
from pipeline.archives.index import ArchiveIndex
from pipeline.catalog import plan
from pipeline.catalog import table as catalog
from pipeline.documents.tables import CatalogMark, LabelsMark, PlanMark
from pipeline.manifest import Document
from pipeline.sources.ilsvrc2012 import devkit, members, tree
from pipeline.sources.ilsvrc2012 import rows as ilsvrc2012
from pipeline.sources.ilsvrc2012.tree import TreeListing
from pipeline.sources.imagelist import source as list_source
from pipeline.sources.inputs import Archive
from pipeline.state import preflight
from pipeline.storage import clutter
from pipeline.storage.clutter import PassedOver
from tasks.annotations import WriteBoxes, boxes_of
from tasks.archives import CheckInputs, VerifyArchive, inputs, verification
from tasks.base import Volume
from tasks.splits import ProductTask, SplitTask


class BuildCatalog(SplitTask):
    """One row per image of a split, counted against the configuration."""

    step = "catalog"
    document_kind = CatalogMark

    def requires(self) -> list[VerifyArchive | CheckInputs | WriteBoxes]:
        """Return the verification of the archives it is made from, and the boxes."""
        job = self.split_job
        verified = [verification(self, job.archive)] if job.archive else []
        return [*verified, *boxes_of(self), *([] if verified else [inputs(self)])]

    def mark(self) -> Path:
        """Return the path of the catalog's mark."""
        return paths.catalog_mark(self.folder, self.split, self.digest)

    def make(self) -> Volume:
        """Turn what lies in the archive or tree into a catalog."""
        job = self.split_job
        for source in self.requires():
            if not isinstance(source, CheckInputs):
                self.check(source)
        boxes = self._join()
        if job.listing is not None:
            parts = list_source.catalog_rows(job.listing)
        else:
            parts = ilsvrc2012.build_catalog(
                *(self._parts(), job.split, self.resolved.table, job.expected, job.classes, boxes),
                origin=str(self.resolved.root / job.tree.folder) if job.tree else "",
                passed_over=self._clutter,
            )
        with contextlib.ExitStack() as stack:
            path = paths.catalog(self.folder, self.split, self.digest)
            staged = [stack.enter_context(storage.StagedFile(path))]
            rows, corners = catalog.write(staged[0], parts)
            if boxes is not None:
                boxes.check()
                path = paths.catalog_unmatched(self.folder, self.split, self.digest)
                staged.append(stack.enter_context(storage.StagedFile(path)))
                for piece in boxjoin.unmatched_pieces(boxes):
                    staged[1].write(piece)
            more = self._passed_over(job.archive) if job.archive else {}
            join = boxes.counts().to_json() if boxes is not None else None
            self.publish(*staged, rows=rows, boxes=corners // 4, join=join, **more)
        return Volume(images=rows)

    def _join(self) -> BoxJoin | None:
        job = self.split_job
        if job.boxes is None:
            return None
        table = boxtable.read(paths.bboxes_table(self.folder, self.split))
        return BoxJoin(table, job.boxes.path, self.resolved.table.wnids, job.classes)

    def _parts(self) -> Iterable[pa.Table]:
        job, table = self.split_job, self.resolved.table
        if isinstance(job.images, TreeListing):
            solution = tree.read_solution(self.resolved.root) if job.split.labels else None
            return [tree.rows(job.images, job.split, table, job.expected, solution, job.classes)]
        return members.archive_rows(self._index(), job.split, table, job.expected, job.classes)

    def _index(self) -> ArchiveIndex:
        archive = self.split_job.archive
        if archive is None:
            raise LookupError(f"the images of {self.split} lie in no archive")
        return ArchiveIndex(paths.archive_index(self.folder, archive.file))

    def _clutter(self) -> PassedOver:
        listed = self.split_job.tree
        if listed is not None:
            return clutter.passed_over(listed.ignored)
        return members.passed_over(self._index())

    def _passed_over(self, archive: Archive) -> Document:
        """Return the clutter in the archive, and the tars that cannot be read and nobody needs."""
        found = {"passed_over": members.passed_over(self._index()).to_json()}
        broken = clutter.passed_over(
            tar.name for tar in preflight.broken_tars(self.resolved, archive)
        )
        return found | ({"unreadable": broken.to_json()} if broken.count else {})


class CheckLabels(SplitTask):
    """The labels of a flat split agree with those of the devkit; `digest` is of both."""

    step = "check labels"
    document_kind = LabelsMark

    @property
    def devkit(self) -> Archive:
        """The archive to compare with."""
        found = self.split_job.devkit
        if found is None:
            raise LookupError(f"no devkit is to be compared with the split {self.split}")
        return found

    def requires(self) -> VerifyArchive:
        """Return the verification of the devkit."""
        return verification(self, self.devkit)

    def mark(self) -> Path:
        """Return the path of the mark that they agree."""
        return paths.labels_mark(self.folder, self.split, self.digest)

    def make(self) -> Volume:
        """Compare them, image by image."""
        job, source = self.split_job, self.resolved.raw_file(self.devkit)
        found = devkit.read_labels(source, self.resolved.table)
        labels = job.split.labels or Path()
        devkit.check_labels(found, job.expected.numbered, source, labels)
        manifest.publish((), self.mark(), self.folder, {"images": len(found)})
        return Volume()


class BuildPlan(SplitTask):
    """The catalog in shard order."""

    step = "plan"
    document_kind = PlanMark

    def requires(self) -> BuildCatalog:
        """Return the catalog."""
        return catalog_of(self)

    def mark(self) -> Path:
        """Return the path of the plan's mark."""
        return paths.plan_mark(self.folder, self.split, self.digest)

    def make(self) -> Volume:
        """Order the catalog and cut it into shards."""
        job = self.split_job
        listed = paths.catalog(self.folder, self.split, job.catalog_digest)
        self.check(self.requires())
        path = paths.plan(self.folder, self.split, self.digest)
        places = job.boundaries()
        images = places[-1]
        rows = plan.arrange(listed, images, self.job.order, self.job.seed or 0, path)
        with storage.StagedFile(path) as staged:
            hashes = plan.write(staged, rows, places)
            self.publish(staged, rows=images, shards=hashes)
        return Volume(images=images)


class WriteUnmatched(ProductTask):
    """The annotations that fit no image of a split, and what else became of them."""

    kind = "unmatched"
    step = "lists"

    def requires(self) -> BuildCatalog:
        """Return the catalog."""
        return catalog_of(self)

    def make(self) -> Volume:
        """Copy what the catalog's step found."""
        self.claim()
        source = self.requires()
        with self.forgetting(source):
            mark = manifest.read_checked(source.mark(), self.folder, CatalogMark)
        found = paths.catalog_unmatched(self.folder, self.split, self.split_job.catalog_digest)
        self.publish_product(
            {paths.bboxes_unmatched(self.folder, self.split): [storage.read_bytes(found)]},
            closing=boxjoin.closing_lines(mark.join) if mark.join else (),
        )
        return Volume()


def catalog_of(task: SplitTask) -> BuildCatalog:
    """Return the task that makes the catalog of another task's split."""
    return BuildCatalog(
        out=task.out, split=task.split, digest=task.split_job.catalog_digest, job=task.job
    )
