"""Steps that write the tables of labels: of the data set, and of class folders."""

from __future__ import annotations

from pipeline import paths
from pipeline.exports import image_list as imagelist
from pipeline.job.artifacts import CLASSES, LABELS
from tasks.base import Volume
from tasks.splits import ProductTask


class WriteLabels(ProductTask):
    """The WNIDs, and a table of every class by all conventions in use."""

    makes = LABELS

    def make(self) -> Volume:
        """Write both."""
        self.claim()
        table = self.resolved.table
        self.publish_product(
            {
                paths.synsets(self.folder): [imagelist.synsets_bytes(table)],
                paths.label_table(self.folder): [imagelist.labels_bytes(table)],
            }
        )
        return Volume()


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
