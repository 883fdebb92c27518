"""What the options of a job mean for the tree that it reads."""

from __future__ import annotations

from pathlib import Path

from pipeline import paths, storage
from pipeline.errors import UsageError
from pipeline.job.options import Job
from pipeline.sources.glance import Note
from pipeline.sources.ilsvrc2012 import tree
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.tree_listing import TreeListing


def wants_images(job: Job) -> bool:
    """Whether a job reads the images of its tree."""
    return job.wants("lists", "extract", "plan", "shards")


def moves(job: Job) -> bool:
    """Whether a job moves the images of its tree."""
    return job.transfer == "move" and job.wants("extract")


def target(job: Job, config: SplitConfig) -> Path | None:
    """Return the tree that a job makes of a split; None: it makes none."""
    if not job.wants("extract"):
        return None
    return paths.tree(storage.on_this_machine(job.folder), config.folder)


def listing(
    job: Job, config: SplitConfig, classes: tuple[str, ...] | None, note: Note
) -> TreeListing:
    """List the images of a split in a job's tree.

    Args:
        job: the job.
        config: the split.
        classes: the chosen WNIDs; None: all.
        note: called with each folder before it is listed.

    Raises:
        TreeRefused: see `tree_listing.scan`.
        UsageError: see `check_out`.
    """
    into = target(job, config)
    moving_to = into if moves(job) else None
    chosen = None if classes is None else frozenset(classes)
    listing = tree.scan(
        Path(job.tree), config, moving_to=moving_to, exclude=into, classes=chosen, note=note
    )
    check_out(job, config, listing.folder)
    return listing


def check_out(job: Job, config: SplitConfig, folder: str) -> None:
    """Check that the output does not lie among the images of a split, and is not what is read.

    Raises:
        UsageError: it does, or is.
    """
    source, target = Path(job.tree) / folder, paths.tree(job.folder, config.folder)
    moved = moves(job)
    if not moved and storage.is_within(job.folder, source):
        raise UsageError(
            f"split {config.name}: the output would lie among the images that are read",
            file=job.out,
            expected=f"a folder outside of {source}",
            remedy="choose another --out",
        )
    if job.wants("extract") and not moved and storage.same_folder(source, target):
        raise UsageError(
            f"split {config.name}: the tree to make is the one to read",
            file=str(source),
            remedy="say --transfer move to reorganise it in place, or choose another --out",
        )
