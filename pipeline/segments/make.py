"""Makes sorted segments of the archives of a split, and what they need; each with its mark."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline import manifest, storage
from pipeline.documents.segments import SegmentRowsMark
from pipeline.errors import OutputDamaged
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.segments import of_split, places
from pipeline.segments.rows import WrittenRows, read_rows, write_rows
from pipeline.segments.sort import SegmentImages, sort_segment
from pipeline.shards.planned import ShardPlan
from pipeline.shards.write import check_unchanged
from pipeline.state import raw_archives, unverified


def make_rows(
    resolved: ResolvedJob, split: SplitJob, progress: Callable[[int], None] = lambda _: None
) -> WrittenRows:
    """Read the plan of a split once, and write its rows by segment; return how many there are.

    Args:
        resolved: the job.
        split: the split.
        progress: called with the rows read so far.

    Raises:
        TransientError: the plan is damaged: it is made anew.
    """
    out, layout = resolved.out, of_split.layout_of(resolved, split)
    plan, members = ShardPlan(out, split), split.source.known_contents(out)
    with storage.StagedFile(places.rows(out, layout.digest)) as staged:
        written = write_rows(staged, layout, plan.every(), members, progress)
        document = {
            "digest": layout.digest,
            "split": split.name,
            "plan": split.plan_digest,
            "shards": split.shards_digest,
            "images": written.images,
            "runs": written.runs,
        }
        manifest.publish([staged], places.rows_mark(out, layout.digest), out, document)
    return written


def planned_rows(resolved: ResolvedJob, split: SplitJob, number: int) -> NDArray[np.void]:
    """Return the rows of the images of a segment, by its 0-based number; see `read_rows`.

    Raises:
        OutputDamaged: they, or their mark, are not there, or not as they were written.
    """
    digest = of_split.digest(resolved, split)
    mark_path = places.rows_mark(resolved.out, digest)
    mark = manifest.read_complete(mark_path, resolved.out, SegmentRowsMark)
    if mark is None:
        raise OutputDamaged("the rows of the segments of archives are gone", file=str(mark_path))
    written = WrittenRows(mark.images, mark.runs)
    return read_rows(places.rows(resolved.out, digest), written, number)


def make_segment(
    resolved: ResolvedJob,
    split: SplitJob,
    number: int,
    rows: NDArray[np.void],
    progress: Callable[[int], None],
) -> None:
    """Read a segment, write its images by shard, and publish them.

    Args:
        resolved: the job.
        split: the split.
        number: of the segment, from 0.
        rows: of its images; see `planned_rows`.
        progress: called with the bytes read so far.

    Raises:
        TransientError: an archive was changed after it was verified.
        MemberDiffers: an image was; its archives are verified again.
        ArchiveRefused: an archive ends before an image does.
    """
    out, root = resolved.out, resolved.root
    layout = of_split.layout_of(resolved, split)
    seen = unverified.seen_images(resolved, split)
    plan = ShardPlan(out, split)
    images = SegmentImages(layout, rows, lambda shard: plan.rows(shard)["key"].to_pylist())
    with (
        raw_archives.verifying_again(resolved, split),
        storage.open_sources(root) as archives,
        storage.StagedFile(places.segment(out, layout.digest, number)) as staged,
    ):
        check_unchanged(archives, seen.infos)
        index = sort_segment(staged, images, root, progress)
        check_unchanged(archives, seen.infos)
        document = {
            "digest": layout.digest,
            "split": split.name,
            "plan": split.plan_digest,
            "shards": split.shards_digest,
            "number": number,
            "images": len(rows),
            "index": manifest.hash_bytes(index),
        }
        manifest.publish([staged], places.mark(out, layout.digest, number), out, document)
