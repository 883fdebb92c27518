"""Reads finished outputs back and reports everything that is not as it was written.

`findings.Layer` lists the layers of checks, outermost first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pipeline import paths, storage
from pipeline.archives.decompression import plain_name
from pipeline.catalog.shard_name import ShardName
from pipeline.documents.outputs import OutputManifest
from pipeline.errors import ArchiveMissing, OutputDamaged
from pipeline.formats import without_boxes as withoutboxes
from pipeline.job.options import FORMATS
from pipeline.shards.output import RecordForm
from pipeline.state import status, withdrawal
from pipeline.storage import Location
from pipeline.verification.findings import Finding, Layer, check_file, damage
from pipeline.verification.notbegun import current_beside
from pipeline.verification.shardcheck import ShardCheck, ShardToCheck
from pipeline.verification.statecheck import read

_IN_THE_WAY = "move it away, then run the shardmill command again: it makes the link anew"
_UNFINISHED = "run the shardmill command again: it goes on where it was"


@dataclass(frozen=True)
class FinishedOutput:
    """An output with a manifest that is as it was written."""

    out: Location
    folder: Location
    document: OutputManifest

    @property
    def shards(self) -> int:
        """How many shards it has."""
        return len(self.document.shards)

    @property
    def plan(self) -> Location:
        """Where its plan lies, if that was kept."""
        return paths.plan(self.out, self.document.split, self.document.digests.plan)

    @property
    def plan_mark(self) -> Location:
        """Where the mark of its plan lies."""
        return paths.plan_mark(self.out, self.document.split, self.document.digests.plan)


def check_links(out: Location) -> Iterator[Finding]:
    """Check that each `current` points to an output beside it."""
    for shard_format in FORMATS:
        for split in storage.folders(out / shard_format, links=True):
            link = paths.current(out, shard_format, split)
            pointed = storage.pointed(link)
            if pointed is not None and not paths.is_digest(pointed):
                what, wanted = "the link does not point to an output", "a digest"
                texts = (what, None, wanted, pointed, _UNFINISHED)
                yield damage(Layer.FINISHED, link, *texts, removable=False)
            elif pointed is None and (kind := storage.kind(link)) is not None:
                what = "something else stands in the place of the link to an output"
                texts = (what, None, "a link", f"a {kind}", _IN_THE_WAY)
                yield damage(Layer.FINISHED, link, *texts, removable=False)


def open_output(out: Location, folder: Location) -> FinishedOutput | Finding:
    """Read the manifest of an output, or say what is wrong with it."""
    path = paths.manifest(folder)
    if storage.stat(path) is None or withdrawal.pending(out):
        what, found = "the output is not finished: it has no manifest", None
        current = current_beside(out, folder)
        if current is not None:
            what = "the output was asked for and is not begun"
            found = f"{current.name} is current: made with other options, or of other files"
        if storage.stat(path) is not None:
            what = "the output is being withdrawn: it may hold images that were replaced"
        error = OutputDamaged(what, file=str(folder), found=found, remedy=_UNFINISHED)
        return Finding(Layer.FINISHED, path, error, removable=False)
    document = read(path, OutputManifest)
    if isinstance(document, Finding):
        return document
    found = f"{document.split} {document.digests.output}"
    expected = f"{folder.parent.name} {folder.name}"
    if found != expected:
        what = "the manifest is of another output"
        return damage(Layer.SELF_CHECKSUM, path, what, None, expected, found)
    return FinishedOutput(out, folder, document)


def check_sources(output: FinishedOutput, raw: Location) -> None:
    """Check that there is something to compare the images with.

    Raises:
        ArchiveMissing: one is not.
    """
    images = output.document.inputs[0]
    if images.list is not None:
        path, what = raw, "the folder that the paths of its list are relative to"
        there = not storage.is_empty(path)
    elif images.folder is not None:
        path, what = raw / images.folder, "the tree that it was made from"
        there = not storage.is_empty(path)
    elif images.selection:
        path, what = raw, "the folder of the output, which has its images"
        there = True
    elif images.file is not None and (plain := plain_name(images.file)) is not None:
        path, what = raw / plain, f"the archive {images.file} of MD5 {images.md5}, packed or not"
        there = any(storage.stat(raw / name) is not None for name in (plain, images.file))
    else:
        path, what = raw / (images.file or ""), f"the archive of MD5 {images.md5}"
        there = storage.stat(path) is not None
    if not there:
        raise ArchiveMissing(
            "what to compare with is not there",
            file=str(path),
            expected=what,
            remedy="name the folder that holds it with --against",
        )


def form_of(output: FinishedOutput) -> RecordForm:
    """Return what the manifest says of the records."""
    return RecordForm.recorded(output.document.format, output.document.parameters)


def check_facts(output: FinishedOutput) -> list[Finding]:
    """Check the file of the facts, on which the checks of the records rely."""
    path = paths.facts(output.folder)
    for entry in output.document.files:
        if entry.file == path.name:
            return check_file(output.folder, entry)
    return [
        damage(Layer.COMPLETENESS, paths.manifest(output.folder), f"it does not name {path.name}")
    ]


def check_others(output: FinishedOutput) -> list[Finding]:
    """Check the files that belong to all shards together, less the facts."""
    known, shard_format = {paths.facts(output.folder).name}, form_of(output).shard_format
    for index in range(output.shards):
        known.update(shard_format.files(_name(output, index).stem))
    others = [entry for entry in output.document.files if entry.file not in known]
    return [finding for entry in others for finding in check_file(output.folder, entry)]


def shards_to_check(
    output: FinishedOutput, raw: Location | None, untrusted: Collection[Location]
) -> Iterator[ShardToCheck]:
    """Yield what is to be known of each shard, in order.

    Args:
        output: where they belong.
        raw: folder of the archives or tree, to compare each image with its source; or None.
        untrusted: files that were found damaged: what they say is not believed. Without the list
            of images without boxes, nobody can say which rows of the plan are in no shard.
    """
    document = output.document
    table = paths.facts(output.folder)
    unlisted = output.folder / withoutboxes.NAME
    lost = any(path in untrusted for path in (output.plan, output.plan_mark, unlisted))
    planned = not lost and storage.stat(output.plan) is not None
    entries = {entry.file: entry for entry in document.files}
    left_out = frozenset(image.key for image in document.left_out)
    without = {} if lost else without_boxes(output)
    form = form_of(output)
    for index, shard in enumerate(document.shards):
        name = _name(output, index)
        named = [entries.get(file) for file in form.shard_format.files(name.stem)]
        yield ShardToCheck(
            out=output.out,
            folder=output.folder,
            name=name,
            records=shard.records,
            entries=tuple(entry for entry in named if entry is not None),
            facts=None if table in untrusted else table,
            plan=output.plan if planned else None,
            repairs=document.repairs,
            left_out=left_out.union(without.get(index, ())),
            form=form,
            raw=raw,
            archives=tuple(archives(output)),
        )


def archives(output: FinishedOutput) -> Iterator[tuple[str, str]]:
    """Yield file name and MD5 of each archive that the images of an output lie in.

    Of a packed one that is the name of the plain tar, by which its members are known, and the MD5
    of the packed file.
    """
    images = output.document.inputs[0]
    if images.file is not None:
        yield plain_name(images.file) or images.file, images.md5


def believed(output: FinishedOutput) -> set[Location]:
    """Return the files by which it is known which images the shards have, if these are whole."""
    return {paths.facts(output.folder), output.folder / withoutboxes.NAME}


def without_boxes(output: FinishedOutput) -> dict[int, list[str]]:
    """Return the images that have no boxes to be labels of, by the number of their shard."""
    path = output.folder / withoutboxes.NAME
    return {} if storage.stat(path) is None else withoutboxes.parsed(storage.read_bytes(path))


def _name(output: FinishedOutput, index: int) -> ShardName:
    return output.document.shard_name(index)


def marked_shards(out: Location, digest: str) -> list[int]:
    """Return the numbers of the shards of an output that have a mark."""
    return sorted(status.published_shards(out, digest))


def check_whole(output: FinishedOutput, checks: list[ShardCheck]) -> list[Finding]:
    """Check what only all shards together show: every image exactly once."""
    keys = [key for check in checks for key in check.keys]
    left_out = [image.key for image in output.document.left_out]
    left_out += [key for keys in without_boxes(output).values() for key in keys]
    counts = output.document.counts
    expected = f"{counts.images} different images, {counts.left_out} of them left out"
    found = f"{len(set(keys) | set(left_out))} different, {len(keys)} records, {len(left_out)} out"
    right = (
        len(keys) == counts.records
        and len(left_out) == counts.left_out
        and len(set(keys) | set(left_out)) == len(keys) + len(left_out) == counts.images
    )
    path, what = paths.manifest(output.folder), "not every image exactly once"
    return [] if right else [damage(Layer.COMPLETENESS, path, what, None, expected, found)]
