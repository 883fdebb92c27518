"""The steps that make a classic tree: a folder for each class, its images in it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import luigi
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import manifest, paths, storage
from pipeline.archives import packed_sources
from pipeline.catalog import class_folders
from pipeline.documents import tree_listing
from pipeline.documents.shards import GroupMark
from pipeline.exports.tree import TRANSFERS, ClassGroup, GroupWork, TreeOfImages
from pipeline.job.artifacts import (
    CATALOG,
    CHANGED_GROUPS,
    CHANGED_TREE,
    GROUPS,
    TREE,
    Artifact,
    Product,
    name_of,
)
from pipeline.job.resolve import ResolvedJob
from pipeline.manifest import Document
from pipeline.shards import codecs
from pipeline.shards import part_sources as partsources
from pipeline.shards import write as shards
from pipeline.state import claims
from pipeline.state import raw_archives as rawarchives
from pipeline.state import replaced_images as replacedimages
from pipeline.storage import Location
from pipeline.storage.local.fingerprints import FingerprintsBuilder
from tasks.base import Volume, logger
from tasks.splits import ProductTask


class TreeTask(ProductTask):
    """A step towards a tree of a split; `digest` says which, where it has several."""

    @property
    def product(self) -> Product:
        """The tree."""
        trees = (product for product in self.resolved.products if product.tree)
        return next(p for p in trees if (p.split, p.digest) == (self.split, self.digest))

    @property
    def tree(self) -> TreeOfImages:
        """How the tree is made."""
        if self.product.tree is None:
            raise LookupError(f"{self.product.name} is no tree of class folders")
        return self.product.tree

    @property
    def root(self) -> Path:
        """The folder of the class folders."""
        return storage.on_this_machine(self.product.files[0])

    @property
    def transfer(self) -> str:
        """How images get there: a changed one is no link to its source."""
        return TRANSFERS[0] if self.tree.changed else self.job.transfer

    def check_root(self, *, flat_files: bool) -> None:
        """Check that nothing else stands in the tree."""
        self.tree.check_root(self.root, self.split_job.class_counts, flat_files=flat_files)


class ExtractClasses(TreeTask):
    """The folders of some classes, each complete or absent."""

    group: luigi.IntParameter = luigi.IntParameter(description="0-based number")
    makes = GROUPS

    @classmethod
    def of(cls, resolved: ResolvedJob, artifact: Artifact) -> list[Self]:
        """Return a task for each group of classes."""
        job, named = resolved.job, cls.named(artifact)
        tree = resolved.product(name_of(artifact.variant, artifact.split))
        groups = claims.class_groups(tree, resolved.splits[artifact.split].class_counts)
        return [cls(out=job.out, group=group.index, job=job, **named) for group in groups]

    @property
    def artifact_name(self) -> str:
        """The name of all groups together, in their job."""
        return name_of(GROUPS, str(self.split), self.product.kind)

    @property
    def classes(self) -> ClassGroup:
        """The classes of this group."""
        return self.tree.groups(self.split_job.class_counts)[self.group]

    def mark(self) -> Location:
        """Return the path of the group's mark."""
        return paths.group_mark(self.folder, self.digest, self.group)

    def document(self) -> GroupMark | None:
        """Return the mark, if every image of the group is there."""
        return claims.group_document(self.folder, self.product, self.group)

    def invalidate(self) -> None:
        """Have the group looked at anew."""
        storage.remove(self.folder, self.mark())

    def make(self) -> Volume:
        """Make the folders."""
        self.claim()
        codecs.check(self.root, self.product.codec, self.product.codec_here, codecs.REPLACE)
        self.check(*self.needed(CATALOG))
        rows = self._rows()
        self._remove_replaced(rows)
        self.check_root(flat_files=self.transfer == "move")
        seen = rawarchives.seen_images(self.resolved, self.split_job)
        # A move leaves nothing behind that could be replaced: the tree is the only copy.
        whole_files = self.split_job.source.whole_files and self.transfer != "move"
        read = FingerprintsBuilder() if whole_files else None
        with (
            self.counter(rows.num_rows, "images", f"{self.split} {self.group}") as progress,
            packed_sources.open_sources(self.resolved.root) as sources,
            rawarchives.verifying_again(self.resolved, self.split_job),
        ):
            shards.check_unchanged(sources, seen)
            listing = self.tree.write(
                GroupWork(
                    root=self.root,
                    rows=rows,
                    sources=sources,
                    transfer=self.transfer,
                    whole_files=self.split_job.source.whole_files,
                    max_pixels=self.job.image.max_pixels,
                    progress=progress,
                    seen=read,
                    members=self.split_job.source.known_contents(self.folder),
                )
            )
            if seen:
                shards.check_unchanged(sources, seen)
        if read is None:
            self._publish(listing, {})
        else:
            # A withdrawal in between would leave a mark of which no fingerprints are kept.
            with storage.shared_lock(paths.sources_lock(self.folder)):
                part = str(self.digest), int(self.group)
                fingerprints, root = read.table(), self.resolved.root
                made_of = partsources.keep_instead(self.folder, *part, fingerprints, root)
                self._publish(listing, made_of)
        return Volume(rows.num_rows, pc.sum(listing["bytes"]).as_py() or 0)

    def _rows(self) -> pa.Table:
        listed = paths.catalog(self.folder, self.split, self.split_job.catalog_digest)
        return class_folders.read(listed, self.classes.classes)

    def _remove_replaced(self, rows: pa.Table) -> None:
        """Remove images that the tree before had, and this one has no more."""
        removed = replacedimages.check_and_remove(
            storage.on_this_machine(self.folder),
            self.product,
            of_group=self.classes.classes,
            of_tree=self.split_job.class_counts,
            rows=rows,
            permitted=self.job.update or self.job.append or self.job.replace,
        )
        if removed:
            logger.info("%s: %s images that are gone were removed", self.root, f"{removed:,}")

    def _publish(self, listing: pa.Table, made_of: Document) -> None:
        path = paths.group_listing(self.folder, self.digest, self.group)
        with storage.StagedFile(path) as staged:
            staged.write(tree_listing.listing_bytes(listing))
            document = {"images": listing.num_rows, **made_of}
            manifest.publish([staged], self.mark(), self.folder, document)


class ExtractTree(TreeTask):
    """The tree of a split: the barrier behind which all of its folders are there."""

    makes = TREE

    @property
    def artifact_name(self) -> str:
        """The name of the tree, in its job."""
        return self.product.name

    def make(self) -> Volume:
        """Write the mark that says so."""
        self.claim()
        self.check_root(flat_files=False)
        self.publish_files(
            (),
            folder=self.root.name,
            classes=len(self.split_job.class_counts),
            groups=len(self.requires()),
            images=self.split_job.expected.images,
        )
        return Volume()


class ChangeClasses(ExtractClasses):
    """The folders of some classes, of images that an export changes."""

    makes = CHANGED_GROUPS


class ChangeTree(ExtractTree):
    """A tree of a split's images, changed by an export."""

    makes = CHANGED_TREE
