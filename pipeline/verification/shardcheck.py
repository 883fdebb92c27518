"""Reads one shard back: its files, its records, its mark and its part of the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from pipeline import paths, storage
from pipeline.archives.member_hashes import KnownMembers
from pipeline.catalog import plan
from pipeline.catalog import table as catalog
from pipeline.catalog.shard_name import ShardName
from pipeline.documents.shards import RepairedImage, ShardMark
from pipeline.errors import ShardmillError
from pipeline.manifest import FileEntry
from pipeline.shards import facts
from pipeline.shards.output import RecordForm
from pipeline.storage import Location
from pipeline.verification.expected import Expected, Row
from pipeline.verification.factscheck import FactsChecker
from pipeline.verification.findings import Finding, Layer, check_file, damage, of_error, truncated
from pipeline.verification.recordcheck import RecordChecker
from pipeline.verification.statecheck import load_table, read


@dataclass(frozen=True)
class ShardToCheck:
    """All that a process needs to check one shard: a manifest of 600 KB is not sent each time.

    Attributes:
        out: the output folder.
        folder: of the output it belongs to.
        name: which shard.
        records: how many the manifest says it has.
        entries: what the manifest says of the shard, its index and its list.
        facts: the facts of the output; None: not to be trusted.
        plan: the plan; None: gone, or not to be trusted.
        repairs: of the manifest.
        left_out: keys of images that are in the plan and in no shard.
        form: of its records.
        raw: folder of the archives or tree, to compare each image with its source; or None.
        archives: file name and MD5 of those that its images lie in.
    """

    out: Location
    folder: Location
    name: ShardName
    records: int
    entries: tuple[FileEntry, ...]
    facts: Location | None
    plan: Location | None
    repairs: tuple[RepairedImage, ...]
    left_out: frozenset[str]
    form: RecordForm
    raw: Location | None
    archives: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ShardCheck:
    """What reading one shard back has shown.

    Attributes:
        records: how many it has.
        bytes: its size.
        compared: images that were compared with their sources.
        keys: those of the facts.
        findings: what is wrong.
        uncompared: images that were not, because another codec has encoded them.
    """

    records: int
    bytes: int
    compared: int
    keys: tuple[str, ...]
    findings: tuple[Finding, ...]
    uncompared: int = 0


def check_shard(shard: ShardToCheck) -> ShardCheck:
    """Read one shard back and compare it with all that is known of it."""
    files = shard.form.shard_format.paths(shard.folder, shard.name.stem)
    findings = [finding for entry in shard.entries for finding in check_file(shard.folder, entry)]
    if len(shard.entries) < len(files):
        what, manifest_file = "it does not name a shard and its index", paths.manifest(shard.folder)
        findings.append(damage(Layer.COMPLETENESS, manifest_file, what, None, shard.name.stem))
    table = _facts(shard, findings)
    rows = table.to_pylist() if table is not None else []
    planned = _planned(shard, findings) if rows else []
    raw = shard.raw if planned else None
    expected = Expected(
        records=shard.records,
        facts=rows,
        plan=planned,
        members=_members(shard, planned) if raw else [],
        repairs={image.key: image for image in shard.repairs},
        form=shard.form,
    )
    findings += _check_mark(shard, table)
    checker: RecordChecker | FactsChecker
    if files:
        checker, file, index = RecordChecker(expected, raw), files[0], files[1:2]
    else:
        checker, file, index = FactsChecker(expected, raw), paths.facts(shard.folder), ()
    if storage.stat(file) is not None:
        try:
            findings += truncated(checker.check(file, *index))
        except ShardmillError as error:
            findings.append(of_error(Layer.RECORD_CRC, file, error))
    size, keys = sum(entry.bytes for entry in shard.entries[:1]), tuple(checker.keys)
    return ShardCheck(
        checker.records, size, checker.compared, keys, tuple(findings), checker.uncompared
    )


def check_marked(out: Location, digest: str, index: int) -> ShardCheck:
    """Compare the files of one shard with its mark alone: there is no manifest to believe."""
    path = paths.shard_mark(out, digest, index)
    document = read(path, ShardMark)
    if isinstance(document, Finding):
        return ShardCheck(0, 0, 0, (), (document,))
    entries = document.files
    there = [entry for entry in entries if storage.stat(out / entry.file) is not None]
    findings = tuple(finding for entry in there for finding in check_file(out, entry))
    size = sum(entry.bytes for entry in entries[:1])
    return ShardCheck(document.records, size, 0, (), findings)


def _facts(shard: ShardToCheck, findings: list[Finding]) -> pa.Table | None:
    """Return the facts of a shard, if they are to be trusted."""
    path = shard.facts
    if path is None:
        return None
    try:
        return _facts_table(
            path, lambda: facts.read_shard(path, shard.name.index, _most(shard.records))
        )
    except ShardmillError as error:
        findings.append(of_error(Layer.TABLE, path, error))
        return None


def _planned(shard: ShardToCheck, findings: list[Finding]) -> list[Row]:
    """Return the rows of the plan whose images are in a shard, if they are to be trusted."""
    path = shard.plan
    if path is None:
        return []
    try:
        names = catalog.SCHEMA.names
        read = lambda: plan.read_shard(path, shard.name.index).select(names)  # noqa: E731
        rows = catalog.dicts(load_table(path, catalog.SCHEMA, read))
    except ShardmillError as error:
        findings.append(of_error(Layer.TABLE, path, error))
        return []
    return [row for row in rows if row["key"] not in shard.left_out]


def _members(shard: ShardToCheck, planned: list[Row]) -> list[bytes | None]:
    """Return what the image of each row was when its archive was verified, if it is known."""
    known = KnownMembers.of(shard.out, shard.archives)
    return known.at([row["source"] for row in planned], [row["offset"] for row in planned])


def _check_mark(shard: ShardToCheck, table: pa.Table | None) -> Iterator[Finding]:
    """Compare the manifest and the facts with what was written when the shard was made."""
    out, digest, index = shard.out, shard.folder.name, shard.name.index
    path, sliced = paths.shard_mark(out, digest, index), paths.shard_facts(out, digest, index)
    if storage.stat(path) is None:
        return
    document = read(path, ShardMark)
    if isinstance(document, Finding):
        yield document
        return
    marked = {out / entry.file: entry for entry in document.files}
    named = {shard.folder / entry.file: entry for entry in shard.entries}
    for file, entry in named.items():
        mark = marked.get(file)
        if mark is None or (mark.bytes, mark.xxh3_128) != (entry.bytes, entry.xxh3_128):
            what, wanted = "the manifest says otherwise than the mark of the shard", str(mark)
            yield damage(Layer.MARK, file, what, None, wanted, str(entry))
    if document.records != shard.records:
        what = "the manifest says otherwise than the mark of the shard"
        texts = (what, "records", str(document.records), str(shard.records))
        yield damage(Layer.MARK, paths.manifest(shard.folder), *texts)
    if sliced in marked and storage.stat(sliced) is not None:
        broken = check_file(out, marked[sliced])
        yield from broken or _check_slice(shard, sliced, document.records, table)


def _check_slice(
    shard: ShardToCheck, sliced: Location, records: int, table: pa.Table | None
) -> Iterator[Finding]:
    try:
        written = _facts_table(sliced, lambda: facts.read_slice(sliced, _most(records)))
    except ShardmillError as error:
        yield of_error(Layer.TABLE, sliced, error)
        return
    if shard.facts is not None and table is not None and not table.equals(written):
        what, place = "the facts are not those of the shard", f"row group {shard.name.index}"
        yield damage(Layer.MARK, shard.facts, what, place, f"the rows of {sliced}")


def _most(records: int) -> int:
    """Return how many rows are read where there should be one a record.

    A few too many are compared with the records, and blamed on whichever is wrong; millions are
    not read.
    """
    return 2 * records + 1000


def _facts_table(path: Location, read: Callable[[], pa.Table]) -> pa.Table:
    return load_table(path, facts.SCHEMA, read, nullable=("repair",))
