"""The step that turns annotations into bboxes.csv."""

from __future__ import annotations

from pipeline import paths
from pipeline.annotations import absence, bboxes, boxtable, contents
from pipeline.errors import TransientError
from pipeline.sources.inputs import BoxSource
from tasks.archives import CheckInputs, VerifyArchive, inputs, verification
from tasks.base import Volume
from tasks.splits import ProductTask, SplitTask


class WriteBoxes(ProductTask):
    """bboxes.csv of a split, and the report of what was repaired, dropped or refused."""

    kind = "bboxes"
    step = "boxes"

    @property
    def source(self) -> BoxSource:
        """Where the annotations are."""
        found = self.split_job.boxes
        if found is None:
            raise LookupError(f"no boxes are wanted of the split {self.split}")
        return found

    def requires(self) -> CheckInputs | VerifyArchive:
        """Return the verification of the archive of annotations."""
        archive = self.source.archive
        return verification(self, archive) if archive else inputs(self)

    def make(self) -> Volume:
        """Read every annotation."""
        self.claim()
        wnids = frozenset(self.resolved.table.wnids) if self.source.filtered else None
        classes = frozenset(self.resolved.table.wnids) if self.source.by_class else None
        found = bboxes.collect(self.source.path, classes=classes, class_filter=wnids)
        self._check_unchanged()
        absence.check(self.source.path, found)
        contents = {
            paths.bboxes(self.folder, self.split): bboxes.csv_pieces(found),
            paths.bboxes_report(self.folder, self.split): [bboxes.report_bytes(found)],
            paths.bboxes_table(self.folder, self.split): boxtable.pieces(found),
        }
        size = self.publish_product(
            contents,
            closing=bboxes.closing_lines(found),
            repaired=sum(row.kind == "repaired" for row in found.report),
            dropped=sum(row.kind == "dropped" for row in found.report),
            refused=sum(row.kind == "refused" for row in found.report),
        )
        return Volume(size=size)

    def _check_unchanged(self) -> None:
        """Check that the annotations in a tree still are those that the digest is of.

        Raises:
            TransientError: one was changed while the command was at work.
        """
        before = self.source.contents
        if before is None:
            return
        kept = paths.annotation_contents(self.folder, self.split)
        if contents.scan(self.source.path, self.folder, kept).digest != before.digest:
            raise TransientError(
                "an annotation was changed while the command was at work",
                file=str(self.source.path),
                remedy="run the same command again: the annotations are read anew",
            )


def boxes_of(task: SplitTask) -> list[WriteBoxes]:
    """Return the task that makes the boxes of another task's split, if they are wanted."""
    source = task.split_job.boxes
    if source is None:
        return []
    return [WriteBoxes(out=task.out, split=task.split, digest=source.digest, job=task.job)]
