"""Checks before a run: are the inputs there, is there space, may the output be written?"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import paths, storage
from pipeline.annotations import contents
from pipeline.errors import InputRefused, NoSpace, OutputConflict
from pipeline.exports import registry as exports
from pipeline.formats.base import JOINED, ShardFormat
from pipeline.formats.registry import ALL
from pipeline.images import codec
from pipeline.images.prepare import ImageOptions
from pipeline.job import appending, neighbours
from pipeline.job.artifacts import ARCHIVE, LINK, MANIFEST, OF_IMAGES, Product
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.quantities import counted
from pipeline.shards import codecs
from pipeline.shards.output import Output
from pipeline.sources.inputs import Archive
from pipeline.state import claims, room_to_unpack, sorted_segments, staging, updates
from pipeline.state import raw_archives as rawarchives
from pipeline.state.inventory import Inventory
from pipeline.storage import Location

_BYTES_OF_A_PIXEL = 0.7  # of a JPEG of quality 95, with what an image is longer than wide
_AREA_OF_MODE = {"shorter": 1.0, "exact": 0.75, "longer": 0.56}  # of images of 4:3
_GROWTH = 0.7  # measured: images of ILSVRC2012 at twice to four times their edge
_IN_FLIGHT = 2  # shards of a worker, in every format; see `pipeline.shards.publisher`
_MARGIN = 1.02  # framing, indexes, facts and manifests, beside the images themselves


def check(resolved: ResolvedJob, workers: int = 1) -> None:
    """Raise what stands in the way of a job, before its first byte is read.

    Args:
        resolved: the job.
        workers: how many processes of this host write shards at a time.

    Raises:
        NoPermission: the output folder may not be written, or that of a packed archive.
        NoSpace: shards do not fit into the scratch folder on their way to a store.
        ShardmillError: see `check_readonly`.
    """
    check_readonly(resolved)
    storage.probe_writable(paths.state(resolved.out))
    room_to_unpack.check_writable(resolved, archives_to_read(Inventory(resolved)))
    _check_scratch(Inventory(resolved), workers)


def _check_scratch(inventory: Inventory, workers: int) -> None:
    """Check that each worker can keep two shards, one that is sent and one that is written."""
    if not storage.is_sent(inventory.resolved.out):
        return  # files are written where they stay
    needed = workers * _IN_FLIGHT * _largest_shard(inventory)
    folder = storage.scratch_folder()
    free = storage.free_bytes(folder)
    if free is not None and needed > free:
        raise NoSpace(
            "too little space for shards on their way to the store",
            file=str(folder),
            expected=f"{needed:,} bytes free, for {counted(workers, 'worker')}",
            found=f"{free:,} bytes free",
            remedy="name another place with --scratch DIR, or ask for fewer --workers",
        )


def _largest_shard(inventory: Inventory) -> int:
    """Return roughly the bytes of the largest shard that is to be written, in all formats."""
    sizes = dict.fromkeys(inventory.resolved.splits, 0.0)
    for artifact in inventory.pending():
        if artifact.kind == MANIFEST:
            split = inventory.resolved.splits[artifact.split]
            share = split.source.size() * _MARGIN * split.source.share()
            parts = _output_bytes(split.output(artifact.variant), split, share)
            sizes[artifact.split] += parts * max(split.shard_sizes()) / split.expected.images
    return int(max(sizes.values(), default=0))


def check_readonly(resolved: ResolvedJob) -> None:
    """Raise what can be seen to stand in the way without writing anything.

    Raises:
        ArchiveMissing: naming every missing archive, where to get it and where to put it.
        ArchiveRefused: an archive has the wrong size, or was refused as it is now: see
            `rawarchives.check`; a tar in it that is needed cannot be read.
        OutputConflict: another data set, or what is not of this program, is in the way.
        NoSpace: less room than what will be written, or copied before it is read.
        UsageError: an output was begun with another codec than the one that is installed; what an
            export needs is not installed.
        EnvironmentRefused: no codec is installed, or no library that shards are written by.
    """
    storage.check_link(resolved.out)
    _check_links(resolved)
    inventory = Inventory(resolved)
    _check_codec(inventory)
    for output in _unfinished_outputs(inventory):
        output.form.shard_format.check_installed()
    exports.check_installed({each.export for each in _unfinished_products(inventory)})
    neighbours.check(resolved)
    rawarchives.check_verified(resolved, resolved.archives)
    for product in resolved.products:
        updates.check(resolved.out, product, resolved.job)
    _check_gone(inventory)
    archives, needed = archives_to_read(inventory), _bytes_to_write(inventory)
    rawarchives.check(resolved, archives)
    if resolved.is_staged:
        staging.check_room(resolved, archives, needed)
    room_to_unpack.check_room(resolved, archives, needed)
    sorting = sorted_segments.bytes_to_sort(inventory)
    if sorting:
        kept = f"{sorting:,} of them for sorted segments of archives, until the shards are there"
        remedy = "free some space, choose another --out, or do without these: --read-order shard"
        check_room(resolved.out, needed, parts=kept, remedy=remedy)
    check_room(resolved.out, needed)


def check_room(
    folder: Location,
    needed: int,
    *,
    parts: str = "",
    remedy: str = "free some space, choose another --out, or ask for one --split at a time",
) -> None:
    """Check that what will be written fits into a file system.

    Args:
        folder: of it, which may be absent.
        needed: bytes.
        parts: what they are of, in words.
        remedy: what a person can do.

    Raises:
        NoSpace: it does not fit.
    """
    free = storage.free_bytes(folder)
    if free is not None and needed > free:
        raise NoSpace(
            "too little space for what will be written",
            file=str(folder),
            expected=f"{needed:,} bytes free" + (f": {parts}" if parts else ""),
            found=f"{free:,} bytes free",
            remedy=remedy,
        )


def archives_to_read(inventory: Inventory) -> list[Archive]:
    """Return the archives that are to be verified, or that what is to be made needs.

    Those of finished splits may be gone.
    """
    graph, dataset = inventory.resolved.graph, inventory.resolved.dataset
    pending = inventory.pending()
    names = {name for artifact in pending for name in (artifact.name, *artifact.needs)}
    every = (archive for archive in graph.of_kind(ARCHIVE) if archive.name in names)
    return [dataset.archive(archive.variant) for archive in every]


def needed_bytes(resolved: ResolvedJob) -> int:
    """Return roughly how many bytes are still to be written."""
    return _bytes_to_write(Inventory(resolved))


def _bytes_to_write(inventory: Inventory) -> int:
    resolved, total = inventory.resolved, sorted_segments.bytes_to_sort(inventory)
    for artifact in inventory.pending():
        split = resolved.splits.get(artifact.split)
        if split is None:
            continue
        share = split.source.size() * _MARGIN * split.source.share()
        if artifact.kind == MANIFEST:
            output = split.output(artifact.variant)
            written = sum(storage.sizes(output.folder).values())
            total += max(0, _output_bytes(output, split, share) - written)
        elif isinstance(artifact, Product) and artifact.tree:
            total += _tree_bytes(resolved, artifact, split, share)
    return total


def shard_bytes(job: Job, split: str, images: int, image_bytes: int) -> int:
    """Return roughly how many bytes the shards of a split will have that is not known yet.

    Args:
        job: the job.
        split: name of the split.
        images: how many images it has.
        image_bytes: about how many bytes they have.

    What lies there of shards of the split in the same formats may be a part of it.
    """
    total, there = 0, 0
    for name in dict.fromkeys(job.formats):
        share = image_bytes * _MARGIN
        total += _format_bytes(ALL[name], job.image, share, images, joined=job.joined)
        folder = paths.outputs(job.folder, name, split)
        there += sum(_bytes_in(folder / each) for each in storage.folders(folder))
    return max(0, total - there)


def _bytes_in(folder: Location) -> int:
    return sum(storage.sizes(folder).values())


def _tree_bytes(resolved: ResolvedJob, tree: Product, split: SplitJob, share: float) -> int:
    """Return roughly how many bytes are still to be written into a tree of class folders."""
    changed = tree.tree.changed if tree.tree else None
    if changed is None and resolved.job.transfer != "copy":
        return 0
    images = split.expected.images
    left = images - claims.extracted_images(resolved.out, tree, split.class_counts)
    return int(left * (share / images if changed is None else changed.image_bytes))


def _output_bytes(output: Output, split: SplitJob, share: float) -> int:
    """Return roughly how many bytes an output will have, of images that have `share`."""
    form, images = output.form, split.expected.images
    return _format_bytes(form.shard_format, form.image, share, images, joined=output.joined)


def _format_bytes(
    shard_format: ShardFormat, image: ImageOptions, share: float, images: int, *, joined: bool
) -> int:
    """Return roughly how many bytes shards of a format will have, of images that have `share`."""
    if not shard_format.holds_images:
        return 0
    if image.resize is not None:
        share = _resized_bytes(image, share, images)
    return int(share * (2 if joined and JOINED in shard_format.takes else 1))


def _resized_bytes(image: ImageOptions, share: float, images: int) -> float:
    """Return roughly how many bytes images have once they are resized.

    Args:
        image: how they are resized.
        share: bytes of the images before.
        images: how many there are.
    """
    edge = image.resize or 0
    pixels = edge * edge * _AREA_OF_MODE[image.resize_mode]
    shrunk = images * pixels * _BYTES_OF_A_PIXEL
    if shrunk <= share or image.never_enlarge:
        return min(share, shrunk)
    # An enlarged image has no more detail: its bytes grow more slowly than its pixels.
    return float(share * (shrunk / share) ** _GROWTH)


def codec_warning(resolved: ResolvedJob) -> str | None:
    """Return what is wrong with the codec that images still need; None: nothing.

    Raises:
        EnvironmentRefused: none is installed.
    """
    return _codec_warning(Inventory(resolved))


def _codec_warning(inventory: Inventory) -> str | None:
    of_pillow = any(
        output.form.repairs  # by Pillow, whatever encodes the other images
        or (output.form.codec is not None and output.form.image.engine == "pillow")
        for output in _unfinished_outputs(inventory)
    )
    if not of_pillow and not any(product.codec for product in _unfinished_products(inventory)):
        return None
    codec.identity()
    return codec.warning()


def _unfinished_outputs(inventory: Inventory) -> list[Output]:
    splits = inventory.resolved.splits
    pending = (each for each in inventory.pending() if each.kind == MANIFEST)
    return [splits[each.split].output(each.variant) for each in pending]


def _unfinished_products(inventory: Inventory) -> list[Product]:
    return [product for product in inventory.pending() if isinstance(product, Product)]


def _check_codec(inventory: Inventory) -> None:
    for output in _unfinished_outputs(inventory):
        codecs.check(output.folder, output.form.codec or "", output.codec_here, codecs.REMOVE)
    for product in _unfinished_products(inventory):
        if product.codec_here:
            codecs.check(product.files[0], product.codec, product.codec_here, codecs.REPLACE)
    _codec_warning(inventory)


def gone(inventory: Inventory) -> Iterator[InputRefused]:
    """Yield which trees are gone of which something is still to be made."""
    reading = {each.split for each in inventory.pending() if each.kind in OF_IMAGES}
    for split in inventory.resolved.splits.values():
        refused = split.source.gone()
        if refused is not None and split.name in reading:
            yield refused


def _check_gone(inventory: Inventory) -> None:
    for refused in gone(inventory):
        raise refused


def remember_sources(resolved: ResolvedJob) -> None:
    """Keep what was found in a job's sources, so that they need not be read to be known."""
    keep_contents(resolved)
    for split in resolved.splits.values():
        split.source.remember()
        appending.remember(resolved.out, split)


def keep_contents(resolved: ResolvedJob) -> None:
    """Keep what the annotations in a job's tree hold, so that they need not be read again."""
    for split in resolved.splits.values():
        if split.boxes is not None and split.boxes.contents is not None:
            kept = paths.annotation_contents(resolved.out, split.name)
            contents.keep(split.boxes.contents, resolved.out, kept)


def _check_links(resolved: ResolvedJob) -> None:
    for link in (each.files[0] for each in resolved.graph.of_kind(LINK)):
        if link.name in storage.folders(link.parent) or (
            storage.stat(link) and storage.pointed(link) is None
        ):
            raise OutputConflict(
                "a file or folder stands where a link to the finished output is made",
                file=str(link),
                remedy="move it away, then run the same command again",
            )
