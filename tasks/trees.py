"""The steps that make a classic tree: a folder for each class, its images in it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import luigi
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import manifest, paths, storage
from pipeline.catalog import class_folders
from pipeline.documents.shards import GroupMark
from pipeline.exports import class_folder, class_listing
from pipeline.exports import class_tree as extraction
from pipeline.exports.base import TRANSFERS, TreeOfImages
from pipeline.exports.class_tree import Change, ClassGroup
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
from pipeline.storage.local.fingerprints import FingerprintsBuilder
from tasks.archives import known_members, seen_images, verifying_again
from tasks.base import Volume
from tasks.splits import ProductTask


class TreeTask(ProductTask):
    """A step towards the tree of a split."""

    @property
    def product(self) -> Product:
        """The tree."""
        return self.resolved.product(name_of(TREE, str(self.split)))

    @property
    def root(self) -> Path:
        """The folder of the class folders."""
        return self.product.files[0]

    @property
    def transfer(self) -> str:
        """How images get there."""
        return self.job.transfer

    def check_root(self, *, flat_files: bool) -> None:
        """Check that nothing else stands in the tree."""
        counts = self.split_job.class_counts
        extraction.check_root(self.root, counts, flat_files=flat_files)


class ExtractClasses(TreeTask):
    """The folders of some classes, each complete or absent."""

    group: luigi.IntParameter = luigi.IntParameter(description="0-based number")
    makes = GROUPS

    @classmethod
    def of(cls, resolved: ResolvedJob, artifact: Artifact) -> list[Self]:
        """Return a task for each group of classes."""
        job, named = resolved.job, cls.named(artifact)
        groups = extraction.groups(resolved.splits[artifact.split].class_counts)
        return [cls(out=job.out, group=group.index, job=job, **named) for group in groups]

    @property
    def artifact_name(self) -> str:
        """The name of all groups together, in their job."""
        return name_of(GROUPS, str(self.split), self.product.kind)

    @property
    def classes(self) -> ClassGroup:
        """The classes of this group."""
        return extraction.groups(self.split_job.class_counts)[self.group]

    def mark(self) -> Path:
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
        self.check_root(flat_files=self.transfer == "move")
        self.check(*self.needed(CATALOG))
        rows = self._rows()
        seen = seen_images(self, self.split_job)
        # A move leaves nothing behind that could be replaced: the tree is the only copy.
        whole_files = self.split_job.source.whole_files and self.transfer != "move"
        read = FingerprintsBuilder() if whole_files else None
        with (
            self.counter(rows.num_rows, "images") as progress,
            storage.SourceReader(self.resolved.root) as sources,
            verifying_again(self),
        ):
            shards.check_unchanged(sources, seen)
            listing = extraction.extract_group(
                self.root,
                rows,
                sources,
                transfer=self.transfer,
                whole_files=self.split_job.source.whole_files,
                change=self.change(),
                members=known_members(self, self.split_job),
                progress=progress,
                seen=read,
            )
            if seen:
                shards.check_unchanged(sources, seen)
        if read is None:
            self._publish(listing, {})
        else:
            # A withdrawal in between would leave a mark of which no fingerprints are kept.
            with storage.shared_lock(paths.sources_lock(self.folder)):
                part = str(self.digest), int(self.group)
                found, root = read.table(), self.resolved.root
                made_of = partsources.keep_instead(self.folder, *part, found, root)
                self._publish(listing, made_of)
        return Volume(rows.num_rows, pc.sum(listing["bytes"]).as_py() or 0)

    def change(self) -> Change | None:
        """Return what images become; None: nothing else."""
        return None

    def _rows(self) -> pa.Table:
        listed = paths.catalog(self.folder, self.split, self.split_job.catalog_digest)
        rows = class_folders.read(listed, self.classes.classes)
        rows = rows.append_column("folder", class_folders.names(rows))
        rows = rows.append_column("name", class_folders.file_names(rows))
        class_folder.check_names(rows, self.root)
        return rows

    def _publish(self, listing: pa.Table, made_of: Document) -> None:
        path = paths.group_listing(self.folder, self.digest, self.group)
        with storage.StagedFile(path) as staged:
            staged.write(class_listing.listing_bytes(listing))
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


class ChangedTreeTask(TreeTask):
    """A step towards a tree of a split's images, changed by an export; `digest` says which."""

    @property
    def product(self) -> Product:
        """The tree."""
        products = (each for each in self.resolved.products if each.tree and each.plan)
        return next(p for p in products if (p.split, p.digest) == (self.split, self.digest))

    @property
    def tree(self) -> TreeOfImages:
        """How its images are changed."""
        tree = self.product.plan.tree if self.product.plan else None
        if tree is None:
            raise LookupError(f"no export changes the images of {self.product.name}")
        return tree

    @property
    def transfer(self) -> str:
        """How images get there: a changed one is no link to its source."""
        return TRANSFERS[0]


class ChangeClasses(ChangedTreeTask, ExtractClasses):
    """The folders of some classes, of changed images."""

    makes = CHANGED_GROUPS

    def change(self) -> Change | None:
        """Return what changes them."""
        codecs.check(self.root, self.product.codec, self.product.codec_here, codecs.REPLACE)
        change, most = self.tree.change, self.resolved.job.image.max_pixels
        return lambda image: change(image, most)


class ChangeTree(ChangedTreeTask, ExtractTree):
    """A tree of a split's images, changed by an export."""

    makes = CHANGED_TREE
