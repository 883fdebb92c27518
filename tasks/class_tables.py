"""The step that writes the table of a split's class folders."""

from __future__ import annotations

from pipeline import paths
from pipeline.job.artifacts import CLASSES
from tasks.base import Volume
from tasks.splits import ProductTask


class WriteClasses(ProductTask):
    """The table of a split's class folders and their labels."""

    makes = CLASSES

    def make(self) -> Volume:
        """Write the table."""
        self.claim()
        classes = self.split_job.source.folder_classes
        if classes is None:
            raise LookupError(f"the images of {self.split} lie in no class folders")
        content = classes.table.content()
        self.publish_product({paths.class_table(self.folder, self.split): [content]})
        return Volume()
