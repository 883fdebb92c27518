"""Finished outputs of the same form as one that is to be made, and what is known of their shards.

Where inputs have changed, an output of other images lies beside the new one, in the same format and
stored in the same way. What decides the bytes of its records is known without reading them: the
plan says the rows, and the facts, the fingerprints or the hashes of an archive's members say what
the images were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa

from pipeline import manifest, paths, storage
from pipeline.archives.member_hashes import KnownMembers
from pipeline.catalog import plan
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.shards import ShardMark
from pipeline.documents.tables import PlanMark
from pipeline.errors import OutputDamaged, Vanished
from pipeline.shards import facts
from pipeline.shards import part_sources as partsources
from pipeline.shards.output import Output, RecordForm, decisive, digest_of
from pipeline.storage import FileInfo, Location

Contents = Sequence[bytes | None]
"""The xxh3-128 of each image of a shard in its source, 16 bytes, in record order; None: unknown."""


@dataclass(frozen=True, eq=False)
class EarlierOutput:
    """A finished output of the form of another one.

    Attributes:
        out: the output folder.
        digest: of the output.
        document: its manifest.
        form: of its records.
        shortened: whether names of its records that are too long were cut.
    """

    out: Location
    digest: str
    document: OutputManifest
    form: RecordForm
    shortened: bool

    def shard_of(self, key: str) -> int | None:
        """Return the number of the shard that begins with the image of a key; None: none does."""
        return self._by_first_key.get(key)

    def rows(self, shard: int) -> pa.RecordBatch | None:
        """Return the rows of the plan that a shard was made of; None: they are not to be had."""
        try:
            return plan.read_shard(self._plan, shard, self._hashes[shard])
        except (OutputDamaged, Vanished):
            return None

    def mark(self, shard: int) -> ShardMark | None:
        """Return the mark of a shard whose files are all there; None: it is not whole."""
        place = paths.shard_mark(self.out, self.digest, shard)
        mark = manifest.read_complete(place, self.out, ShardMark)
        if mark is None or (mark.output, mark.shard) != (self.digest, shard):
            return None
        return mark

    def facts(self, mark: ShardMark) -> pa.Table | None:
        """Return the facts of the images of a shard; None: they are not as its mark says."""
        place = paths.shard_facts(self.out, self.digest, mark.shard)
        name = storage.relative(place, self.out)
        entry = next((entry for entry in mark.files if entry.file == name), None)
        try:
            if entry is None or manifest.hash_bytes(storage.read_bytes(place)) != entry.xxh3_128:
                return None
            return facts.read_slice(place, mark.records)
        except (OutputDamaged, Vanished):
            return None

    def contents(self, rows: pa.RecordBatch, mark: ShardMark) -> Contents:
        """Return what the images of a shard were whose mark has nothing that was left out.

        Where they are stored as they are, that is what is stored.

        Args:
            rows: of the shard.
            mark: its mark.
        """
        known = partsources.load(self.out, self.document.digests.family, mark.shard)
        if mark.made_of is not None:
            if known is None or known[0].content != mark.made_of.content:
                return [None] * rows.num_rows
            return list(known[1]["content"].to_pylist())
        if self.form.codec is not None:
            return self._members.at(*(rows.column(n).to_pylist() for n in ("source", "offset")))
        hashes = self._unencoded(mark)
        return [hashes.get(key) for key in rows.column("key").to_pylist()]

    def _unencoded(self, mark: ShardMark) -> dict[str, bytes]:
        """Return what the images were that are stored as they are, or were repaired, by key."""
        table = self.facts(mark)
        if table is None:
            return {}
        stored = dict(zip(table["key"].to_pylist(), table["xxh3_128"].to_pylist(), strict=True))
        stored |= {image.key: image.source_xxh3_128 for image in mark.repairs}
        return {key: bytes.fromhex(content) for key, content in stored.items()}

    @property
    def _plan(self) -> Location:
        return paths.plan(self.out, self.document.split, self.document.digests.plan)

    @cached_property
    def _hashes(self) -> Sequence[str]:
        """The hash of the rows of each shard; none: the plan is gone, or not of these shards."""
        path = paths.plan_mark(self.out, self.document.split, self.document.digests.plan)
        mark = manifest.read_complete(path, self.out, PlanMark)
        return mark.shards if mark and len(mark.shards) == len(self.document.shards) else ()

    @cached_property
    def _by_first_key(self) -> dict[str, int]:
        try:
            keys = plan.first_keys(self._plan, len(self._hashes)) if self._hashes else []
        except (OutputDamaged, Vanished):
            return {}
        return {key: shard for shard, key in enumerate(keys)}

    @cached_property
    def _members(self) -> KnownMembers:
        inputs = ((each.file, each.md5) for each in self.document.inputs)
        return KnownMembers.of(self.out, [(file, md5) for file, md5 in inputs if file and md5])


def find(out: Location, output: Output, split: str) -> tuple[EarlierOutput, ...]:
    """Return the finished outputs of a split that have the form of another one, in one order.

    Args:
        out: the output folder.
        output: the other one, which is no part of the answer.
        split: name of the split.
    """
    earlier = list[EarlierOutput]()
    for name in storage.folders(paths.outputs(out, output.format, split), links=True):
        path = paths.manifest(paths.output(out, output.format, split, name))
        info = storage.stat(path) if paths.is_digest(name) and name != output.digest else None
        found = _read(out, split, path, info, output.form) if info is not None else None
        if found is not None:
            earlier.append(found)
    return tuple(earlier)


@lru_cache(maxsize=8)  # a process that does task after task reads a manifest of 1,024 shards once
def _read(
    out: Location,
    split: str,
    path: Location,
    info: FileInfo,  # noqa: ARG001 - another manifest is another answer
    form: RecordForm,
) -> EarlierOutput | None:
    """Return the output of a manifest if it has a form; None: another one, or nobody can tell."""
    document = manifest.read_undamaged(path, OutputManifest)
    if document is None or (document.format, document.split) != (form.format, split):
        return None
    own = RecordForm.recorded(document.format, document.parameters)
    if decisive(own) != decisive(form) or own.image.max_pixels > form.image.max_pixels:
        return None  # of other bytes; or with images that would be refused now
    digest, shortened = path.parent.name, names_are_cut(document)
    if shortened is None or digest != document.digests.output:
        return None
    return EarlierOutput(out, digest, document, own, shortened)


def names_are_cut(document: OutputManifest) -> bool | None:
    """Return whether names of the records of an output that are too long were cut.

    None: another version of the writer made it. No manifest says which it was, but the digest of
    the output shows whether it was this one.
    """
    form = RecordForm.recorded(document.format, document.parameters)
    for shortened in (False, True):
        if document.digests.output == digest_of(form, document.digests.shards, shortened=shortened):
            return shortened
    return None
