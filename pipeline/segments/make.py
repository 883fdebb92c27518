"""Makes one sorted segment of the archives of a split, and publishes it with its mark."""

from __future__ import annotations

from collections.abc import Callable

from pipeline import manifest, paths, storage
from pipeline.catalog import plan
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.segments import of_split, places
from pipeline.segments.sort import SegmentImages, images_of, sort_segment
from pipeline.shards.write import check_unchanged
from pipeline.state import raw_archives, unverified


def planned_images(resolved: ResolvedJob, split: SplitJob, number: int) -> SegmentImages:
    """Return the images of a segment, by its 0-based number, as the plan has them.

    Whoever calls it has compared the plan with its hash: here its form is looked at, no more.

    Raises:
        OutputDamaged: the plan is none.
    """
    planned = paths.plan(resolved.out, split.name, split.plan_digest)
    return images_of(of_split.layout_of(resolved, split), number, plan.read(planned))


def make_segment(
    resolved: ResolvedJob,
    split: SplitJob,
    number: int,
    images: SegmentImages,
    progress: Callable[[int], None],
) -> None:
    """Read a segment, write its images by shard, and publish them.

    Args:
        resolved: the job.
        split: the split.
        number: of the segment, from 0.
        images: of the segment.
        progress: called with the bytes read so far.

    Raises:
        TransientError: an archive was changed after it was verified.
        MemberDiffers: an image was; its archives are verified again.
        ArchiveRefused: an archive ends before an image does.
    """
    out, root = resolved.out, resolved.root
    layout = of_split.layout_of(resolved, split)
    seen = unverified.seen_images(resolved, split)
    members = split.source.known_contents(out)
    with (
        raw_archives.verifying_again(resolved, split),
        storage.open_sources(root) as archives,
        storage.StagedFile(places.segment(out, layout.digest, number)) as staged,
    ):
        check_unchanged(archives, seen.infos)
        index = sort_segment(staged, layout, images, root, members, progress)
        check_unchanged(archives, seen.infos)
        document = {
            "digest": layout.digest,
            "split": split.name,
            "plan": split.plan_digest,
            "shards": split.shards_digest,
            "number": number,
            "images": images.rows.num_rows,
            "index": manifest.hash_bytes(index),
        }
        manifest.publish([staged], places.mark(out, layout.digest, number), out, document)
