"""The trees of class folders: that of the step ``extract``, and what those of others share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline import digests
from pipeline.catalog import class_folders
from pipeline.exports import class_folder, class_tree
from pipeline.exports.base import Export, ExportPlan, ExportWork, SetView
from pipeline.exports.class_tree import Change
from pipeline.exports.tree import ChangedImages, ClassGroup, GroupWork, TreeOfImages
from pipeline.manifest import Document
from pipeline.storage import StagedFile


class ClassFolders(TreeOfImages):
    """A folder for each class, and the images of the class in it; see `class_tree`."""

    def groups(self, counts: Mapping[str, int]) -> tuple[ClassGroup, ...]:
        """Return groups of some 8,192 images or 256 classes."""
        return class_tree.groups(counts)

    def check_root(self, root: Path, counts: Mapping[str, int], *, flat_files: bool) -> None:
        """Check that there are no other folders; see `class_tree.check_root`."""
        class_tree.check_root(root, counts, flat_files=flat_files)

    def write(self, work: GroupWork) -> pa.Table:
        """Make the folders; see `class_tree.extract_group`."""
        rows = work.rows.append_column("folder", class_folders.names(work.rows))
        rows = rows.append_column("name", class_folders.file_names(rows))
        class_folder.check_names(rows, work.root)
        changed = self.changed
        return class_tree.extract_group(
            work.root,
            rows,
            work.sources,
            transfer=work.transfer,
            whole_files=work.whole_files,
            change=_with_limit(changed, work.max_pixels) if changed else None,
            members=work.members,
            progress=work.progress,
            seen=work.seen,
        )


def _with_limit(changed: ChangedImages, max_pixels: int) -> Change:
    return lambda image: changed.change(image, max_pixels)


class ClassTree(Export):
    """The images of each split that has classes, unchanged, in the classic form of ImageNet."""

    name = tree = "tree"
    step = "extract"
    needs_classes = True
    transfers = True
    parts = ("images",)

    def files(self, folder: str) -> tuple[str, ...]:
        """Return nothing: the names in a tree are those of its classes and images."""
        del folder
        return ()

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield a tree for each split that has classes."""
        for name, split in data.with_classes.items():
            yield ExportPlan(
                kind=self.tree,
                files=(data.out / split.folder,),
                digest=digests.digest({"rows": split.rows_digest}),
                split=name,
                tree=ClassFolders(self.step),
            )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Raise an error: a tree is made in groups of classes, see `ClassFolders.write`."""
        del staged
        raise LookupError(f"{work.plan.kind} is a tree of class folders, which is made in groups")
