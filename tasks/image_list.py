"""The step that writes a split's image list: it names the images that are in the shards."""

from __future__ import annotations

from pipeline import paths
from pipeline.catalog import table as catalog
from pipeline.exports import image_list as imagelist
from pipeline.job.artifacts import CATALOG, LIST
from pipeline.quantities import counted, verb
from pipeline.state import inventory
from tasks.base import Volume
from tasks.splits import ProductTask


class WriteList(ProductTask):
    """The images of a split as a list in the form of im2rec.

    An image that is left out of the shards is left out of the list, too. Which ones these are is
    known when the shards are there; so with ``--on-bad-image skip`` the list comes after them.
    """

    makes = LIST

    def make(self) -> Volume:
        """Write the list."""
        self.claim()
        self.check(*self.needed(CATALOG))
        listed = paths.catalog(self.folder, self.split, self.split_job.catalog_digest)
        left_out = inventory.left_out(self.resolved, str(self.split))
        pieces = imagelist.list_pieces(catalog.read(listed), left_out)
        job = self.split_job
        closing = job.source.unused()
        if left_out:
            number = len(left_out)
            which = f"{counted(number, 'image')} {verb(number, 'is', 'are')}"
            closing.append(f"{which} left out of the list as well")
        size = self.publish_product(
            {paths.image_list(self.folder, self.split): pieces},
            left_out=inventory.name_of_left_out(left_out),
            closing=closing,
        )
        return Volume(images=self.split_job.expected.images - len(left_out), size=size)
