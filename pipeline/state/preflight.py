"""Looks before anything is read: are the inputs there, is there room, may it be written?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline import manifest, paths, storage
from pipeline.annotations import contents
from pipeline.archives.brokentar import BrokenTar
from pipeline.archives.tar import READER_VERSION
from pipeline.documents.records import ArchiveMark
from pipeline.documents.tables import CatalogMark, LabelsMark
from pipeline.errors import NoSpace, OutputConflict
from pipeline.images import codec
from pipeline.images.prepare import PictureOptions
from pipeline.job import artifacts, neighbours
from pipeline.job.artifacts import Product
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.shards import codecs
from pipeline.shards import finish as outputs
from pipeline.shards.output import Output
from pipeline.sources.inputs import Archive
from pipeline.state import claims
from pipeline.state import raw_archives as rawarchives

BROKEN, READER = "broken", "reader"
"""In the mark of an archive: the tars in it that cannot be read, by which version of the reader."""
_BYTES_OF_A_PIXEL = 0.7  # of a JPEG of quality 95, with what a picture is longer than wide
_AREA_OF_MODE = {"shorter": 1.0, "exact": 0.75, "longer": 0.56}  # of images of 4:3
_GROWTH = 0.7  # measured: images of ILSVRC2012 at twice to four times their edge
_WITHOUT_CATALOG = frozenset(
    {"bboxes", "labels", artifacts.CLASSES, artifacts.JOINED}
)  # kinds of products
_MARGIN = 1.02  # framing, indexes, facts and manifests, beside the pictures themselves


def check(resolved: ResolvedJob) -> None:
    """Raise what stands in the way of a job, before its first byte is read.

    Raises:
        NoPermission: the output folder may not be written.
        ShardmillError: see `look`.
    """
    look(resolved)
    storage.probe_writable(paths.state(resolved.out))


def look(resolved: ResolvedJob) -> None:
    """Raise what can be seen to stand in the way without writing anything.

    Raises:
        ArchiveMissing: naming every missing archive, where to get it and where to put it.
        ArchiveRefused: an archive has the wrong size, or was refused as it is now: see
            `rawarchives.check`; a tar in it that is needed cannot be read.
        OutputConflict: another data set, or what is not of this program, is in the way.
        NoSpace: less room than what will be written.
        UsageError: an output was begun with another codec than the one that is installed.
        EnvironmentRefused: images have to be encoded, and no codec is installed.
    """
    storage.check_link(resolved.out)
    _check_current(resolved)
    _check_codec(resolved)
    neighbours.check(resolved)
    check_broken(resolved, resolved.archives)
    for product in resolved.products:
        claims.check(resolved.out, product, replace=resolved.job.replace)
    _check_gone(resolved)
    rawarchives.check(resolved, needed_archives(resolved))
    needed, free = needed_bytes(resolved), storage.free_bytes(resolved.out)
    if needed > free:
        raise NoSpace(
            "too little space for what will be written",
            file=resolved.job.out,
            expected=f"{needed:,} bytes free",
            found=f"{free:,} bytes free",
            remedy="free some space, choose another --out, or ask for one --split at a time",
        )


def needed_archives(resolved: ResolvedJob) -> list[Archive]:
    """Return the archives that are still to be read: those of finished splits may be gone."""
    needed: list[Archive] = []
    for split in resolved.splits.values():
        boxes = split.boxes.archive if split.boxes else None
        if _unfinished(resolved, split):
            needed += split.source.inputs
        labels = split.source.labels
        if labels is not None and not _compared(resolved, split.name, labels.digest):
            needed.append(labels.archive)
        if boxes is not None and _lacks(resolved, f"bboxes-{split.name}"):
            needed.append(boxes)
    named = resolved.archives if resolved.job.wants("verify") else resolved.extras
    needed += (archive for archive in named if verified(resolved, archive) is None)
    return list({archive.file: archive for archive in needed}.values())


def _compared(resolved: ResolvedJob, split: str, digest: str) -> bool:
    """Whether the labels of a split were found to agree with an archive's."""
    mark = paths.labels_mark(resolved.out, split, digest)
    return manifest.read_complete(mark, resolved.out, LabelsMark) is not None


def needed_bytes(resolved: ResolvedJob) -> int:
    """Return roughly how many bytes are still to be written."""
    total = 0
    for name, split in resolved.splits.items():
        share = split.source.size() * _MARGIN * split.source.share()
        for output in split.outputs if resolved.job.wants("shards") else ():
            if outputs.document(output) is None:
                written = sum(storage.sizes(output.folder).values())
                total += max(0, _output_bytes(output, split, share) - written)
        if resolved.job.transfer == "copy" and _lacks(resolved, f"tree-{split.name}"):
            made = resolved.product(f"tree-{split.name}")
            done = claims.extracted_images(resolved.out, made, split.expected.counts)
            total += int(share * (1 - done / split.expected.images))
        for made in changed_trees(resolved, name):
            done = claims.extracted_images(resolved.out, made, split.expected.counts)
            tree = made.plan.tree if made.plan else None
            total += (split.expected.images - done) * (tree.image_bytes if tree else 0)
    return total


def _output_bytes(output: Output, split: SplitJob, share: float) -> int:
    """Return roughly how many bytes an output will have, of pictures that have `share`."""
    if not output.form.shard_format.holds_images:
        return 0
    picture = output.form.picture
    if picture.resize is not None:
        share = _resized_bytes(picture, share, split.expected.images)
    return int(share * (2 if output.joined else 1))


def _resized_bytes(picture: PictureOptions, share: float, images: int) -> float:
    """Return roughly how many bytes images have once they are resized.

    Args:
        picture: how they are resized.
        share: bytes of the images before.
        images: how many there are.
    """
    edge = picture.resize or 0
    pixels = edge * edge * _AREA_OF_MODE[picture.resize_mode]
    shrunk = images * pixels * _BYTES_OF_A_PIXEL
    if shrunk <= share or picture.never_enlarge:
        return min(share, shrunk)
    # An enlarged image has no more detail: its bytes grow more slowly than its pixels.
    return float(share * (shrunk / share) ** _GROWTH)


def verified(resolved: ResolvedJob, archive: Archive) -> ArchiveMark | None:
    """Return the mark of an archive if it was verified and has not changed since."""
    info = storage.stat(resolved.raw_file(archive))
    if info is None:
        return None
    path = paths.archive_mark(resolved.out, archive.file, info.size, info.mtime_ns)
    mark = manifest.read_complete(path, resolved.out, ArchiveMark)
    if mark is None:
        return None
    agrees = (mark.size, mark.mtime_ns, mark.md5) == (info.size, info.mtime_ns, archive.md5)
    # What an older reader could not read is read again.
    current = not mark.broken or mark.reader == READER_VERSION
    return mark if agrees and current else None


def broken_tars(resolved: ResolvedJob, archive: Archive) -> tuple[BrokenTar, ...]:
    """Return the tars in a verified archive that cannot be read; none if it is not verified."""
    mark = verified(resolved, archive)
    return tuple(map(BrokenTar.recorded, mark.broken)) if mark else ()


def check_broken(resolved: ResolvedJob, archives: Iterable[Archive]) -> None:
    """Raise the refusal of a tar in a verified archive that a job needs and that cannot be read."""
    for archive in archives:
        rawarchives.check_broken(resolved, archive, broken_tars(resolved, archive))


def codec_warning(resolved: ResolvedJob) -> str | None:
    """Return what is wrong with the codec that images still need; None: nothing.

    Raises:
        EnvironmentRefused: none is installed.
    """
    wanted = unfinished_outputs(resolved)
    of_pillow = any(
        output.form.repairs  # by Pillow, whatever encodes the other images
        or (output.form.codec is not None and output.form.picture.engine == "pillow")
        for output in wanted
    )
    changes = any(list(changed_trees(resolved, name)) for name in resolved.splits)
    if not of_pillow and not changes:
        return None
    codec.identity()
    return codec.warning()


def unfinished_outputs(resolved: ResolvedJob) -> list[Output]:
    """Return the outputs of a job that have no manifest yet, or lack a file."""
    if not resolved.job.wants("shards"):
        return []
    every = (output for split in resolved.splits.values() for output in split.outputs)
    return [output for output in every if outputs.document(output) is None]


def _check_codec(resolved: ResolvedJob) -> None:
    for output in unfinished_outputs(resolved):
        codecs.check(output.folder, output.form.codec or "", output.codec_here, codecs.REMOVE)
    for product in resolved.products:
        if product.codec_here and claims.finished(resolved.out, product) is None:
            codecs.check(product.files[0], product.codec, product.codec_here, codecs.REPLACE)
    codec_warning(resolved)


def _unfinished(resolved: ResolvedJob, split: SplitJob) -> bool:
    """Whether something is still to be made of a split's images."""
    if _lacks(resolved, f"tree-{split.name}") or list(changed_trees(resolved, split.name)):
        return True
    if resolved.job.wants("shards") and any(outputs.document(o) is None for o in split.outputs):
        return True
    listed = paths.catalog_mark(resolved.out, split.name, split.catalog_digest)
    return manifest.read_complete(listed, resolved.out, CatalogMark) is None and any(
        product.kind not in _WITHOUT_CATALOG
        and product.split in {"", split.name}
        and _lacks(resolved, product.name)
        for product in resolved.products
    )


def changed_trees(resolved: ResolvedJob, split: str) -> Iterator[Product]:
    """Yield the trees of a split's images, changed by an export, that are not finished."""
    for product in resolved.products:
        changed = product.plan is not None and product.tree and product.split == split
        if changed and claims.finished(resolved.out, product) is None:
            yield product


def _lacks(resolved: ResolvedJob, name: str) -> bool:
    """Whether a product is asked for and not finished."""
    return any(
        product.name == name and claims.finished(resolved.out, product) is None
        for product in resolved.products
    )


def _check_gone(resolved: ResolvedJob) -> None:
    for split in resolved.splits.values():
        gone = split.source.gone()
        if gone is not None and _unfinished(resolved, split):
            raise gone


def remember_sources(resolved: ResolvedJob) -> None:
    """Note what was found in a job's sources, for when they are gone."""
    keep_contents(resolved)
    for split in resolved.splits.values():
        split.source.remember()


def keep_contents(resolved: ResolvedJob) -> None:
    """Keep what the annotations in a job's tree hold, so that they need not be read again."""
    for split in resolved.splits.values():
        if split.boxes is not None and split.boxes.contents is not None:
            kept = paths.annotation_contents(resolved.out, split.name)
            contents.keep(split.boxes.contents, resolved.out, kept)


def _check_current(resolved: ResolvedJob) -> None:
    for split in resolved.splits.values():
        for output in split.outputs:
            link = paths.current(resolved.out, output.format, split.name)
            if link.name in storage.folders(link.parent) or (
                storage.stat(link) and storage.pointed(link) is None
            ):
                raise OutputConflict(
                    "a file or folder stands where a link to the finished output is made",
                    file=str(link),
                    remedy="move it away, then run the same command again",
                )
