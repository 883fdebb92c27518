"""Finishes an output: its shard manifests become one manifest, its facts one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pyarrow as pa
from msgspec import structs

from pipeline import manifest, paths, storage
from pipeline.catalog.shard_name import ShardName
from pipeline.documents.generations import Generation
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.shards import ShardMark
from pipeline.documents.tables import CatalogMark
from pipeline.errors import OutputDamaged, TransientError
from pipeline.formats.base import WrittenShard
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob, order_of
from pipeline.manifest import Document, FileEntry
from pipeline.shards import facts, unverified
from pipeline.shards import part_sources as partsources
from pipeline.shards.output import Output
from pipeline.state import withdrawal
from pipeline.storage import Location, clutter
from pipeline.storage.clutter import PassedOver


def shard_document(out: Location, output: Output, index: int) -> ShardMark | None:
    """Return the manifest of one shard if its files are all there, else None.

    A shard is not all there if an image was left out that is allowed now.
    """
    mark = manifest.read_complete(paths.shard_mark(out, output.digest, index), out, ShardMark)
    if mark is None or (mark.output, mark.shard) != (output.digest, index):
        return None  # it may be another shard's: names can be changed
    return None if is_outgrown(mark, output) else mark


def document(output: Output) -> OutputManifest | None:
    """Return the manifest of an output if it is complete, else None; see `shard_document`."""
    if withdrawal.pending(storage.folder_above(output.folder, 3)):
        return None
    whole = manifest.read_whole(paths.manifest(output.folder), OutputManifest)
    return None if whole is None or is_outgrown(whole, output) else whole


def is_outgrown(found: ShardMark | OutputManifest, output: Output) -> bool:
    """Return whether an image was left out because fewer pixels were allowed than are now."""
    allowed = output.form.image.max_pixels
    return any(0 < image.max_pixels < allowed for image in found.left_out)


def finish(resolved: ResolvedJob, split: SplitJob, output: Output) -> Document:
    """Write the facts and the manifest of an output whose shards are all there.

    The manifest holds no time, host or path of this machine: the same inputs and options give
    the same bytes everywhere.

    Raises:
        OutputDamaged: a shard vanished meanwhile.
        TransientError: a shard was made of images that have been replaced meanwhile, or of an
            archive that is not verified.
    """
    out = resolved.out
    with ExitStack() as stack:
        if split.source.whole_files:  # what is withdrawn meanwhile would be finished here
            stack.enter_context(storage.shared_lock(paths.sources_lock(out)))
        storage.read_ahead(paths.shard_mark(out, output.digest, n) for n in range(split.shards))
        documents = [_required(out, output, index) for index in range(split.shards)]
        if split.source.whole_files:
            _check_sources(out, output, documents)
        else:
            unverified.judge(resolved, split, output, documents)
        staged = _of_whole(stack, split, output, documents)
        table_file = stack.enter_context(storage.StagedFile(paths.facts(output.folder)))
        with table_file.stream() as stream:
            facts.write(stream, _facts(out, output, documents))
        staged.append(table_file)
        of_parts = of_shards(resolved.out, output, documents)
        size = sum(each.bytes for each in of_parts) + sum(file.size for file in staged)
        merged = _merged(resolved, split, output, documents, size)
        mark = paths.manifest(output.folder)
        return manifest.publish(staged, mark, output.folder, merged, listed=of_parts)


def of_shards(out: Location, output: Output, documents: list[ShardMark]) -> list[FileEntry]:
    """Return the files of all shards, by their names in the output's folder."""
    prefix = f"{storage.relative(output.folder, out)}/"
    return [
        entry.named(entry.file.removeprefix(prefix))
        for shard in documents
        for entry in shard.files
        if entry.file.startswith(prefix)
    ]


def _check_sources(out: Location, output: Output, documents: list[ShardMark]) -> None:
    """Check that every shard was made of the images that are kept of it; the others are forgotten.

    Raises:
        TransientError: one was not.
    """
    stale = list(partsources.stale(out, documents))
    for index in stale:
        storage.remove(out, paths.shard_mark(out, output.digest, index))
    if stale:
        raise TransientError(
            "images were replaced while shards were made of them",
            file=str(output.folder),
            found=f"{len(stale)} shards of older images",
            remedy="run the same command again: these shards are made anew",
        )


def _of_whole(
    stack: ExitStack, split: SplitJob, output: Output, documents: list[ShardMark]
) -> list[storage.StagedFile]:
    """Return files that belong to all shards together, written."""
    shards = [
        WrittenShard(
            name.stem,
            shard.files[0].bytes,
            shard.records,
            shard.without_boxes,
            shard.files[0].xxh3_128,
        )
        for name, shard in zip(_names(split), documents, strict=True)
    ]
    form, staged = output.form, []
    for name, content in form.shard_format.whole(split.name, shards, form.options).items():
        staged.append(stack.enter_context(storage.StagedFile(output.folder / name)))
        for piece in content:
            staged[-1].write(piece)
    return staged


def _names(split: SplitJob) -> list[ShardName]:
    return [split.shard_name(index) for index in range(split.shards)]


def passed_over(out: Location, split: SplitJob) -> PassedOver:
    """Return what was passed over as clutter among the images of a split, as far as it is known."""
    if split.source.whole_files:
        return split.source.passed_over(out)
    return _of_catalog(out, split, "passed_over")


def unreadable(out: Location, split: SplitJob) -> PassedOver:
    """Return the tars of classes that were not chosen and that cannot be read, in an archive."""
    return clutter.NOTHING if split.source.whole_files else _of_catalog(out, split, "unreadable")


def _of_catalog(out: Location, split: SplitJob, name: str) -> PassedOver:
    mark = paths.catalog_mark(out, split.name, split.catalog_digest)
    catalog = manifest.read_complete(mark, out, CatalogMark)
    passed_over: PassedOver | None = getattr(catalog, name, None)
    return passed_over or clutter.NOTHING


def joined(out: Location, split: SplitJob, output: Output) -> list[tuple[Location, ...]]:
    """Return the files of the shards that are one file together, in order.

    Raises:
        OutputDamaged: one is not there any more.
    """
    for index in range(split.shards):
        _required(out, output, index)
    return [output.files(name) for name in _names(split)]


def _required(out: Location, output: Output, index: int) -> ShardMark:
    found = shard_document(out, output, index)
    if found is None:
        raise OutputDamaged(
            "a finished shard is gone or was changed while the manifest was made",
            file=str(paths.shard_mark(out, output.digest, index)),
            remedy="run the same command again: it is made anew",
        )
    return found


def _facts(out: Location, output: Output, documents: list[ShardMark]) -> Iterator[pa.Table]:
    places = [paths.shard_facts(out, output.digest, index) for index in range(len(documents))]
    storage.local_copies(places)
    for place, document in zip(places, documents, strict=True):
        yield facts.read_slice(place, document.records)


def _merged(
    resolved: ResolvedJob,
    split: SplitJob,
    output: Output,
    documents: list[ShardMark],
    size: int,
) -> Document:
    """Return what the manifest says beside its files, which are `size` bytes."""
    prefix = f"{storage.relative(output.folder, resolved.out)}/"
    shards = [_shard(shard, prefix) for shard in documents]
    repairs = [structs.asdict(image) for shard in documents for image in shard.repairs]
    left_out = [image.to_json() for shard in documents for image in shard.left_out]
    without_boxes = sum(len(shard.without_boxes) for shard in documents)
    notes = sum((Counter(shard.notes) for shard in documents), Counter[str]())
    return {
        "program": "shardmill",
        "dataset": resolved.dataset.name,
        "split": split.name,
        "format": output.format,
        "inputs": inputs(split),
        "digests": {
            "catalog": split.catalog_digest,
            "plan": split.plan_digest,
            "shards": split.shards_digest,
            "output": output.digest,
        },
        "parameters": parameters(resolved, split, output),
        "counts": {
            "boxes": sum(shard.boxes for shard in documents),
            "bytes": size,
            "images": split.expected.images,
            "left_out": len(left_out) + without_boxes,
            "records": sum(shard.records for shard in documents),
            "repaired": len(repairs),
            "without_boxes": without_boxes,
        },
        "shards": shards,
        **generations(split),
        "repairs": repairs,
        "left_out": left_out,
        "notes": dict(sorted(notes.items())),
        **_passed_over(resolved.out, split),
    }


def generations(split: SplitJob) -> Document:
    """Return what the manifest says of the generations of an output; nothing where there is one."""
    if split.appended is None:
        return {}
    record = split.appended
    own = Generation(record.shards, split.shards_digest, split.plan_digest, record.emptied)
    every = (*record.generations, own)
    return {"generations": [structs.asdict(each) for each in every]}


def _passed_over(out: Location, split: SplitJob) -> Document:
    """Return what the manifest says was passed over among the images; nothing where that is so."""
    left = passed_over(out, split) + unreadable(out, split)
    return {"passed_over": left.to_json()} if left.count else {}


def _shard(shard: ShardMark, prefix: str) -> Document:
    """Return what the manifest says of a shard; of facts alone there is no file to name."""
    first = shard.files[0]
    named = first.file.startswith(prefix)
    file = {"file": first.file.removeprefix(prefix), "bytes": first.bytes} if named else {}
    return {**file, "records": shard.records}


def parameters(resolved: ResolvedJob, split: SplitJob, output: Output) -> Document:
    """Return the options that an output is made with."""
    return {
        **split.source.parameters(),
        **order_of(resolved.job, split.shards, split.threads),
        **output.form.to_json(),
    }


def inputs(split: SplitJob) -> list[Document]:
    """Return what an output is made of, its images first."""
    documents, boxes = split.source.described(), split.boxes
    if boxes is not None and boxes.archive is not None:
        documents.append({"file": boxes.archive.file, "md5": boxes.archive.md5})
    elif boxes is not None:
        documents.append({"annotations": boxes.path.name, "digest": boxes.digest})
    return documents
