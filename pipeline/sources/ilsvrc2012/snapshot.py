"""What is kept of a tree: all that a job must know of it before its catalog is made.

When the tree is gone, what was made of it is still known by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import digests, paths
from pipeline.documents.sources import RecordedTree
from pipeline.job.options import Job
from pipeline.manifest import Document
from pipeline.sources import glance
from pipeline.sources.glance import Glance
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.tree_listing import FILES, TreeListing
from pipeline.storage import Location


@dataclass(frozen=True)
class TreeRecord:
    """What is known of a split in a tree.

    Attributes:
        listing: its images, of which nothing but the files themselves is kept.
        boxes: digest of its boxes; None: none are wanted.
        annotations: digest of the annotations in the tree; empty: there are none.
        look: how the folders looked before they were listed; None: that is not known.
    """

    listing: TreeListing
    boxes: str | None
    annotations: str = ""
    look: Glance | None = None


def save(job: Job, split: SplitConfig, classes: Sequence[str] | None, record: TreeRecord) -> None:
    """Keep what a job has found in its tree, in the place of what was found before.

    Args:
        job: the job.
        split: the split.
        classes: the chosen WNIDs; None: all.
        record: what was found.
    """
    document: Document = {
        "folder": record.listing.folder,
        "ignored": list(record.listing.ignored),
        "digest": record.listing.digest,
        "places": record.listing.places,
        "bytes": record.listing.bytes,
        "boxes": record.boxes,
        "annotations": record.annotations,
        "look": record.look.to_json(_asked(job, split, classes)) if record.look else None,
    }
    glance.record(job.folder, path(job, split), document, RecordedTree)


def load_gone(job: Job, split: SplitConfig) -> TreeRecord | None:
    """Return what was found last in a tree that is not there any more; None: it is not known."""
    saved = glance.recall(path(job, split), RecordedTree)
    return _record(saved, look=None) if saved is not None else None


def load(job: Job, split: SplitConfig, classes: Sequence[str] | None) -> TreeRecord | None:
    """Return what was found last, if the folders look as they did then; None: it is not known.

    Arguments as of `save`.
    """
    saved = glance.recall(path(job, split), RecordedTree)
    if saved is None or saved.look is None or saved.look.asked != _asked(job, split, classes):
        return None
    look = Glance.recorded(saved.look)
    return _record(saved, look) if look.holds() else None


def _record(found: RecordedTree, look: Glance | None) -> TreeRecord:
    listing = TreeListing(
        folder=found.folder,
        files=FILES.empty_table(),
        ignored=found.ignored,
        digest=found.digest,
        places=found.places,
        bytes=found.bytes,
        known=look is not None,
        gone=look is None,
    )
    return TreeRecord(listing, found.boxes, found.annotations, look)


def path(job: Job, split: SplitConfig) -> Location:
    """Return where the document lies."""
    asked = digests.digest(
        {
            "boxes": job.boxes,
            "filter": job.box_class_filter,
            "tree": job.tree,
            "with_boxes": split.boxes in job.extras,
        }
    )
    return paths.tree_record(job.folder, split.name, asked)


def _asked(job: Job, split: SplitConfig, classes: Sequence[str] | None) -> str:
    """Return a digest of what decides which folders are listed, and what in them is refused."""
    return glance.asked(
        {
            "archive": split.archive,
            "classes": classes,
            "extract": job.wants("extract"),
            "folder": split.folder,
            "layout": split.layout,
            "transfer": job.transfer,
        }
    )
