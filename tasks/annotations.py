"""The step that turns annotations into bboxes.csv."""

from __future__ import annotations

from pipeline import paths, storage
from pipeline.annotations import absence, bboxes, boxtable, contents
from pipeline.errors import TransientError
from pipeline.job.artifacts import BOXES
from pipeline.sources.inputs import BoxSource
from tasks.base import Volume
from tasks.splits import ProductTask


class WriteBoxes(ProductTask):
    """bboxes.csv of a split, and the report of what was repaired, dropped or refused."""

    makes = BOXES

    @property
    def source(self) -> BoxSource:
        """Where the annotations are."""
        boxes = self.split_job.boxes
        if boxes is None:
            raise LookupError(f"no boxes are wanted of the split {self.split}")
        return boxes

    def make(self) -> Volume:
        """Read every annotation."""
        self.claim()
        class_ids = frozenset(self.resolved.table.class_ids) if self.source.filtered else None
        classes = frozenset(self.resolved.table.class_ids) if self.source.by_class else None
        collected = bboxes.collect(self.source.path, classes=classes, class_filter=class_ids)
        self._check_unchanged()
        absence.check(self.source.path, collected)
        contents = {
            paths.bboxes(self.folder, self.split): bboxes.csv_pieces(collected),
            paths.bboxes_report(self.folder, self.split): [bboxes.report_bytes(collected)],
            paths.bboxes_table(self.folder, self.split): boxtable.pieces(collected),
        }
        size = self.publish_product(
            contents,
            closing=bboxes.closing_lines(collected),
            repaired=sum(row.kind == "repaired" for row in collected.report),
            dropped=sum(row.kind == "dropped" for row in collected.report),
            refused=sum(row.kind == "refused" for row in collected.report),
        )
        return Volume(size=size)

    def _check_unchanged(self) -> None:
        """Check that the annotations in a tree still are those that the digest is of.

        Raises:
            TransientError: one was changed while the command was at work.
        """
        before = self.source.content
        if before is None:
            return
        kept = paths.annotation_contents(self.folder, self.split)
        folder = storage.on_this_machine(self.source.path)
        if contents.scan(folder, self.folder, kept).digest != before:
            raise TransientError(
                "an annotation was changed while the command was at work",
                file=str(self.source.path),
                remedy="run the same command again: the annotations are read anew",
            )
