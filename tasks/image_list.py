"""The step that writes a split's image list: it names the images that are in the shards."""

from __future__ import annotations

from pipeline import digests, paths
from pipeline.catalog import table as catalog
from pipeline.documents.products import ProductMark
from pipeline.exports import image_list as imagelist
from pipeline.quantities import counted, verb
from pipeline.shards import finish as outputs
from pipeline.state import claims
from tasks.base import Volume
from tasks.lists import BuildCatalog, catalog_of
from tasks.shards import WriteManifest
from tasks.splits import ProductTask


class WriteList(ProductTask):
    """The images of a split as a list in the form of im2rec.

    An image that is left out of the shards is left out of the list, too. Which ones these are is
    known when the shards are there; so with ``--on-bad-image skip`` the list comes after them.
    """

    kind = "list"
    step = "lists"

    def requires(self) -> list[BuildCatalog | WriteManifest]:
        """Return the catalog, and the shards if images may be left out of them."""
        after = self._manifests() if self.job.on_bad_image == "skip" else []
        return [catalog_of(self), *after]

    def document(self) -> ProductMark | None:
        """Return the mark, if the list is there and lacks what the shards lack."""
        found = claims.finished(self.folder, self.product)
        if self.job.on_bad_image == "skip" and not all(t.complete() for t in self._manifests()):
            return None  # it is not known yet
        if found is None or found.left_out == _named(self._left_out()):
            return found
        return None

    def make(self) -> Volume:
        """Write the list."""
        self.claim()
        self.check(catalog_of(self))
        listed = paths.catalog(self.folder, self.split, self.split_job.catalog_digest)
        left_out = self._left_out()
        pieces = imagelist.list_pieces(catalog.read(listed), left_out)
        job = self.split_job
        closing = job.source.unused()
        if left_out:
            number = len(left_out)
            which = f"{counted(number, 'image')} {verb(number, 'is', 'are')}"
            closing.append(f"{which} left out of the list as well")
        size = self.publish_product(
            {paths.image_list(self.folder, self.split): pieces},
            left_out=_named(left_out),
            closing=closing,
        )
        return Volume(images=self.split_job.expected.images - len(left_out), size=size)

    def _manifests(self) -> list[WriteManifest]:
        if not self.job.wants("shards"):
            return []
        return [
            WriteManifest(
                out=self.out,
                split=self.split,
                digest=output.digest,
                format=output.format,
                on_bad_image=self.job.on_bad_image,
                job=self.job,
            )
            for output in self.split_job.outputs
        ]

    def _left_out(self) -> frozenset[str]:
        """Return the keys of images that a finished output of this job lacks as bad images."""
        documents = [outputs.document(task.product) for task in self._manifests()]
        return frozenset(
            image.key for document in documents if document for image in document.left_out
        )


def _named(keys: frozenset[str]) -> str:
    """Return a name for images that are left out; "" for none."""
    return digests.digest({"keys": sorted(keys)}) if keys else ""
