"""Writes one shard of a split in every format that is asked for, from one read of its images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Self

import pyarrow as pa

from pipeline import storage
from pipeline.archives import packed_sources
from pipeline.archives.member_hashes import KnownContents
from pipeline.catalog.shard_name import ShardName
from pipeline.errors import BadImage, TransientError, UsageError
from pipeline.images.prepare import PLAIN, Preparation, preparation
from pipeline.manifest import Document
from pipeline.plaintext import Lines
from pipeline.shards.output import Output
from pipeline.shards.preparing import open_images
from pipeline.shards.read import AHEAD, NONE_KNOWN, Image, LeftOut, WhyAbsent, no_such_file
from pipeline.shards.writer import OutputWriter
from pipeline.storage import Location
from pipeline.storage.local.fingerprints import FingerprintsBuilder

_MOST_NAMED = 10
_SKIP = "--on-bad-image skip"


@dataclass(frozen=True)
class UnpublishedShard:
    """A shard whose records are written, in every format; leaving the context discards the rest.

    Attributes:
        writers: of each output.
        left_out: images that no output has.
        made_of: what the marks say of the files that the images are.
    """

    writers: Sequence[OutputWriter]
    left_out: Sequence[LeftOut]
    made_of: Document

    @property
    def records(self) -> int:
        """The records of the largest output."""
        return max((writer.facts.records for writer in self.writers), default=0)

    @property
    def bytes(self) -> int:
        """The bytes of all shard files, once they are published."""
        return sum(file.size for writer in self.writers for file in writer.files[:1])

    def publish(self) -> None:
        """Publish each output by itself, its shard manifest last."""
        for writer in self.writers:
            writer.publish(self.left_out, self.made_of)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self.writers:
            writer.close()


def at_once(shard: UnpublishedShard) -> None:
    """Publish a shard, now."""
    with shard:
        shard.publish()


def write_shard(
    out: Location,
    name: ShardName,
    rows: pa.RecordBatch,
    root: Location,
    outputs: Sequence[Output],
    *,
    verified: Mapping[str, storage.FileInfo] | None = None,
    members: KnownContents = NONE_KNOWN,
    whole_files: bool = False,
    on_bad_image: str = "fail",
    progress: Callable[[int], None] | None = None,
    keep: Callable[[pa.Table], Document] | None = None,
    why_absent: WhyAbsent = no_such_file,
    publish: Callable[[UnpublishedShard], object] = at_once,
    processes: int = 1,
    opens: Callable[[], storage.Sources] | None = None,
) -> int:
    """Write one shard and its manifest for each output; return the records of the largest.

    Args:
        out: the output folder.
        name: which shard.
        rows: the shard's rows of the plan, in record order.
        root: folder that the rows' sources are relative to.
        outputs: what to write; each is published by itself, its shard manifest last.
        verified: source name -> size and time of the file when it was verified; a file that
            looks different, before or after it was read, is not trusted. None: not checked.
        members: what the images were when their archives were verified.
        whole_files: whether each image is a file by itself, as in a tree; one that is longer
            than its row says is not trusted.
        on_bad_image: ``fail`` raises after the whole shard was looked at; ``skip`` leaves the
            image out and says so in the manifest.
        progress: called with the images done so far, every 64; or after each, where all are
            encoded anew.
        keep: keeps the fingerprints of the files that were read, before anything is published, and
            returns what the marks say of them; may raise if they are others than before. None:
            the images lie in archives.
        why_absent: see `WhyAbsent`.
        publish: given the shard when its records are written; publishes it, now or later, and
            leaves its context. What it raises is raised here, and the shard is discarded.
        processes: how many prepare its images, with this one, which alone writes.
        opens: opens what reads the images; None: they are read where their rows say.

    Raises:
        BadImage: images that cannot be stored, under ``fail``; none is left of a shard.
        UsageError: the engine that is asked for is not installed, or not the one of the outputs.
        TransientError: an archive was changed since it was verified, or one of several processes
            is dead.
        MemberDiffers: so was an image in it, and the archive looks as before.
        InputRefused: a source is not as long as it was.
    """
    opens = opens or partial(packed_sources.open_sources, root, whole_files=whole_files)
    with ExitStack() as stack, opens() as sources, ExitStack() as reading:
        check_unchanged(sources, verified)
        prepares = _preparation(outputs)
        seen = FingerprintsBuilder() if keep is not None else None
        images = reading.enter_context(
            open_images(  # first: its processes have nothing of the files that are made
                rows,
                sources,
                prepares,
                whole_files=whole_files,
                seen=seen,
                members=members,
                why_absent=why_absent,
                with_masks=any(output.form.describes_objects for output in outputs),
                processes=processes,
                opens=opens,
            )
        )
        made = (OutputWriter(out, name, output, rows.num_rows) for output in outputs)
        writers = [stack.enter_context(writer) for writer in made]
        if sources.keep_views(partial(_flush, writers)):
            for writer in writers:
                writer.gather()
        left_out = _add(images, writers, progress, every=1 if prepares.encodes else AHEAD)
        _check_stored(name, writers, left_out, on_bad_image)
        check_unchanged(sources, verified)
        made_of = keep(seen.table()) if keep is not None and seen is not None else {}
        shard = UnpublishedShard(writers, left_out, made_of)
        publish(shard)
        stack.pop_all()  # it is another's to close now
        return shard.records


def _add(
    images: Iterable[Image | LeftOut],
    writers: Sequence[OutputWriter],
    progress: Callable[[int], None] | None,
    *,
    every: int,
) -> list[LeftOut]:
    """Add images to each output; return those that none has. Progress is told every so many."""
    left_out: list[LeftOut] = []
    for done, image in enumerate(images, start=1):
        if isinstance(image, LeftOut):
            left_out.append(image)
        else:
            for writer in writers:
                writer.add(image)
        if progress is not None and done % every == 0:
            progress(done)
    _flush(writers)
    return left_out


def _check_stored(
    name: ShardName, writers: Sequence[OutputWriter], left_out: list[LeftOut], on_bad_image: str
) -> None:
    """Check that no image is left out which may not be, and that each output has some.

    Raises:
        BadImage: otherwise.
    """
    faults = left_out + [each for writer in writers for each in writer.left_out]
    if faults and on_bad_image == "fail":
        raise _refused(faults, name)
    if any(writer.facts.records == 0 for writer in writers):
        raise _refused(faults, name, nothing_left=True)


def _flush(writers: Sequence[OutputWriter]) -> None:
    """Write the records that wait: the images in them are about to change."""
    for writer in writers:
        writer.flush()


def _preparation(outputs: Sequence[Output]) -> Preparation:
    """Return what prepares the images of outputs, which all have them in one way."""
    (options,) = {output.form.image for output in outputs} or {PLAIN}
    found = preparation(options)
    for output in outputs:
        if output.form.codec != found.codec:
            raise UsageError(
                "images would be encoded by another program than the rest of the output",
                expected=output.form.codec,
                found=found.codec,
                remedy="run the same command again: it says what to install",
            )
    return found


def check_unchanged(
    sources: storage.Sources, verified: Mapping[str, storage.FileInfo] | None
) -> None:
    """Check that files look as they did when they were verified; None: not asked.

    Raises:
        TransientError: one does not.
    """
    for source, info in (verified or {}).items():
        if sources.now(source) != info:
            raise TransientError(
                "the file was changed after it was verified",
                file=str(sources.path(source)),
                remedy="leave it alone while a command is at work: it is verified again",
            )


def _refused(
    left_out: Sequence[LeftOut], name: ShardName, *, nothing_left: bool = False
) -> BadImage:
    shown = list(map(_shown, left_out[:_MOST_NAMED]))
    if len(left_out) > _MOST_NAMED:
        shown.append(f"and {len(left_out) - _MOST_NAMED} more")
    if nothing_left:
        what = f"no image is left of shard {name.stem}, and a shard may not be empty"
        place = Lines.of(shown) or "none of its images has a bounding box"
        fewer = f"ask for fewer shards than {name.count} with --shards"
        remedy = fewer if name.count > 1 else "bring intact images: none of them all can be stored"
        return BadImage(what, place=place, remedy=remedy)
    what = f"{len(left_out)} of the images of shard {name.stem} cannot be stored"
    remedies = list(dict.fromkeys(image.remedy for image in left_out[:_MOST_NAMED] if image.remedy))
    if not any(_SKIP in remedy for remedy in remedies):
        remedies.append(f"leave such images out with {_SKIP}: the manifest lists them")
    first, *others = remedies
    remedy = Lines.of([first, *(f"or {each}" for each in others)])
    return BadImage(what, place=Lines.of(shown), remedy=remedy)


def _shown(image: LeftOut) -> str:
    if image.line:
        return f"line {image.line}: {image.source}: {image.reason}"
    return f"{image.key} in {image.source}, offset {image.offset}: {image.reason}"
