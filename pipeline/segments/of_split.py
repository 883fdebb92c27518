"""The segments of the archives of a split, as a job means them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline import storage
from pipeline.segments.layout import SegmentLayout, digest_of

if TYPE_CHECKING:
    from pipeline.job.resolve import ResolvedJob
    from pipeline.job.split import SplitJob

_PLAIN: Final = ".tar"


def can_be_sorted(resolved: ResolvedJob, split: SplitJob) -> bool:
    """Whether the images of a split may be read in the order of their archives.

    These are plain tars on this machine, read where they lie, and verified before; the output lies
    on this machine, too.
    """
    inputs = split.source.inputs
    here = isinstance(resolved.out, Path) and isinstance(resolved.raw, Path)
    plain = bool(inputs) and not not_plain(split)
    return here and plain and not resolved.is_staged and not resolved.verifies_beside


def not_plain(split: SplitJob) -> list[str]:
    """Return the published names of the archives of a split that are no plain tars."""
    inputs = split.source.inputs
    return [each.published for each in inputs if each.packed or not each.file.endswith(_PLAIN)]


def is_sorted(resolved: ResolvedJob, split: SplitJob) -> bool:
    """Whether the images of a split are read in the order of their archives."""
    return resolved.job.read_order == "archive" and can_be_sorted(resolved, split)


def digest(resolved: ResolvedJob, split: SplitJob) -> str:
    """Return a digest of all that decides the bytes of the sorted segments of a split."""
    archives = [(archive.file, archive.md5) for archive in split.source.inputs]
    return digest_of(split.plan_digest, archives, resolved.job.segment_bytes)


def sorted_layout(resolved: ResolvedJob, split: SplitJob) -> SegmentLayout | None:
    """Return how archives are cut whose images are read in their order; None: they are not."""
    return layout_of(resolved, split) if is_sorted(resolved, split) else None


def layout_of(resolved: ResolvedJob, split: SplitJob) -> SegmentLayout:
    """Return how the archives of a split are cut into segments, as they look now."""
    archives = split.source.inputs
    infos = [storage.stat(resolved.raw_file(archive)) for archive in archives]
    return SegmentLayout(
        digest(resolved, split),
        tuple(archive.file for archive in archives),
        tuple(info.size if info else 0 for info in infos),
        resolved.job.segment_bytes,
        split.shards,
    )
