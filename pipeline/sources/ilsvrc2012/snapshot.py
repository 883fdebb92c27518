"""What is remembered of a tree, so that what was made of it is known when the tree is gone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline import digests, manifest, paths
from pipeline.documents.records import RecordedTree
from pipeline.job.options import Job
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.tree_listing import FILES, TreeListing


@dataclass(frozen=True)
class TreeRecord:
    """The images of a split in a tree, and the digest of its boxes; None: none are wanted."""

    listing: TreeListing
    boxes: str | None


def remember(job: Job, split: SplitConfig, record: TreeRecord) -> None:
    """Note what a job has found in its tree, in the place of what was found before."""
    document = {
        "folder": record.listing.folder,
        "ignored": list(record.listing.ignored),
        "digest": record.listing.digest,
        "places": record.listing.places,
        "bytes": record.listing.bytes,
        "boxes": record.boxes,
    }
    manifest.publish_alone(_path(job, split), document)


def recall(job: Job, split: SplitConfig) -> TreeRecord | None:
    """Return what was found last, or None if nothing is remembered."""
    found = manifest.read_undamaged(_path(job, split), RecordedTree)
    if found is None:
        return None
    listing = TreeListing(
        folder=found.folder,
        files=FILES.empty_table(),
        ignored=found.ignored,
        digest=found.digest,
        places=found.places,
        bytes=found.bytes,
        gone=True,
    )
    return TreeRecord(listing, found.boxes)


def _path(job: Job, split: SplitConfig) -> Path:
    asked = digests.digest(
        {
            "boxes": job.boxes,
            "filter": job.box_class_filter,
            "tree": job.tree,
            "with_boxes": split.boxes in job.extras,
        }
    )
    return paths.tree_record(Path(job.out), split.name, asked)
