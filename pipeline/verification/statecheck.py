"""Reads back the state folder of an output: marks, and the tables they name.

Looked at are the records of jobs and of trees, and the marks of archives, labels, catalogs and
plans with their files; the marks of shards belong to `outputcheck`, those of products and
trees to `productcheck`. Deliberately not looked at: the logs, timings, counters and
failure records of commands, which nothing relies on, the locks, and what was remembered of appends
whose shards are not there any more.

What is absent is no damage: it is made again when it is needed. But where something else stands in
the place of a file, such as a folder, a pipe or a link that leads nowhere, that is damage, also in
the folders of which no mark is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

import pyarrow as pa

from pipeline import manifest, paths, storage
from pipeline.documents import kinds
from pipeline.documents.generations import AppendRecord
from pipeline.documents.records import ArchiveMark, JobRecord, MemberHashesMark
from pipeline.errors import OutputDamaged, ShardmillError
from pipeline.job.options import Job
from pipeline.manifest import Kind, Sealed
from pipeline.state import status, unused_appends
from pipeline.storage import Location
from pipeline.verification.findings import REMEDY, Finding, Layer, check_file, damage, of_error

_FOREIGN = "move it away: nothing reads it"
_IN_THE_WAY = "move it away, then run the shardmill command again: what belongs there is made anew"
_OF_MEMBERS = (
    "say shardmill verify OUT --remove-damaged, or remove the file: images of the archive are then"
    " compared with nothing when they are read; `touch` the archive and prepare it with --until"
    " verify to have the hashes again"
)
_OF_APPENDS = (
    "say shardmill verify OUT --remove-damaged, or remove the file: a command with --append that"
    " needs it finds out again what it says"
)
_REMEDIES: Final[Mapping[type[Sealed], str]] = {
    MemberHashesMark: _OF_MEMBERS,
    AppendRecord: _OF_APPENDS,
}
_MARK_IN_THE_WAY = (
    "move it away, then run the shardmill command again with --replace: without its mark, what"
    " stands there counts as somebody else's"
)


def check_state(out: Location, apart: Collection[Location]) -> list[Finding]:
    """Check every mark under an output with the files it names.

    Args:
        out: the output folder.
        apart: folders of marks that somebody else checks.
    """
    # Those of shards have no end of files, and those of products say what is finished.
    elsewhere = [paths.product_marks(out), paths.shard_marks(out, ""), *apart]
    unused = {item.path for item in unused_appends.plan(out, wanted=()).items}
    findings = [
        finding
        for folder in _below(paths.state(out), {paths.runs(out), *elsewhere})
        for path in storage.documents(folder)
        if path not in unused
        for finding in check_mark(out, path)
    ]
    every = _below(paths.state(out), {paths.runs(out)})
    return findings + [finding for folder in every for finding in _in_the_way(out, folder)]


def archive_marks(out: Location) -> list[Location]:
    """Return the marks of verified archives."""
    every = storage.documents(paths.archive_index(out, "").parent)
    return [path for path in every if kinds.kind_of(out, path) is ArchiveMark]


def check_mark(out: Location, path: Location) -> list[Finding]:
    """Check a mark, and those of its files that are there."""
    kind = kinds.kind_of(out, path)
    if kind is None:
        what = "this program writes no document of such a name here"
        return [damage(Layer.UNEXPECTED_FILE, path, what, remedy=_FOREIGN, removable=False)]
    document = read(path, kind)
    if isinstance(document, Finding):
        return _with_remedy([document], kind)
    if isinstance(document, JobRecord):
        return _check_job(path, document)
    there = [entry for entry in document.files if storage.stat(out / entry.file) is not None]
    findings = [finding for entry in there for finding in check_file(out, entry)]
    return _with_remedy(findings, kind)


def _with_remedy(findings: list[Finding], kind: type[Sealed]) -> list[Finding]:
    """Return findings with what helps: not everything is made again by the next command."""
    remedy = _REMEDIES.get(kind)
    for finding in findings if remedy is not None else ():
        finding.error.remedy = remedy
    return findings


def _in_the_way(out: Location, folder: Location) -> Iterator[Finding]:
    """Yield what stands in a folder of the state where a file or a folder of ours belongs.

    Nothing is opened: a pipe would be waited for.
    """
    for entry in sorted(storage.kinds(folder)):
        path = folder / entry.name
        belongs = None if entry.name.startswith(".") else kinds.belongs_at(out, path)
        if belongs is not None and entry.kind != belongs:
            what, found = "something else stands in the place of a file or folder", entry.kind
            of_product = paths.product_marks(out) in {path, folder}
            remedy = _MARK_IN_THE_WAY if of_product else _IN_THE_WAY
            texts = (what, None, f"a {belongs}", f"a {found}", remedy)
            yield damage(Layer.UNEXPECTED_FILE, path, *texts, removable=False)


def read(path: Location, kind: type[Kind]) -> Kind | Finding:
    """Return a mark or manifest, or the finding that it is not as it was written."""
    try:
        return manifest.read(path, kind)
    except ShardmillError as error:
        return of_error(Layer.SELF_CHECKSUM, path, error)


def _check_job(path: Location, record: JobRecord) -> list[Finding]:
    try:
        Job.from_json(record.job, path)
    except OutputDamaged as error:
        return [of_error(Layer.SELF_CHECKSUM, path, error)]
    return []


def load_table(
    path: Location,
    schema: pa.Schema,
    read: Callable[[], pa.Table | pa.RecordBatch],
    nullable: Collection[str] = (),
) -> pa.Table:
    """Return a table whose every value can be read, without dictionaries.

    Arrow trusts the offsets in its files: without a look at them a wrong one ends the process.

    Args:
        path: its file.
        schema: its columns.
        read: reads it.
        nullable: columns that may hold nulls.

    Raises:
        OutputDamaged: it is not that.
    """
    try:
        rows = read()
        rows.validate(full=True)
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        table = table.cast(pa.schema([(field.name, _plain(field.type)) for field in schema]))
        holes = [name for name in schema.names if name not in nullable and table[name].null_count]
    except (pa.ArrowException, ValueError, LookupError, OSError) as error:
        raise _no_table(path, str(error)) from error
    if holes:
        raise _no_table(path, f"nulls in {', '.join(holes)}")
    return table


def known_jobs(out: Location) -> list[Job]:
    """Return the jobs that were started here, the last one last; none if a record is damaged."""
    try:
        return status.recorded_jobs(out)
    except (OutputDamaged, LookupError):
        return []


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _below(folder: Location, skipped: Collection[Location]) -> Iterator[Location]:
    yield folder
    for name in storage.folders(folder):
        if folder / name not in skipped:
            yield from _below(folder / name, skipped)


def _no_table(path: Location, found: str) -> OutputDamaged:
    return OutputDamaged(
        "the table is not as it was written",
        file=str(path),
        expected="rows of the columns that were written",
        found=found,
        remedy=REMEDY,
    )
