"""Outputs of im2rec, read back: ``NAME.rec``, its index and its list, by ``NAME.manifest.json``."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline import manifest, storage
from pipeline.documents.packed import PackManifest
from pipeline.errors import OutputDamaged, ShardmillError
from pipeline.formats.recordio.header import parse_header
from pipeline.formats.recordio.shard import index_lines, read_records
from pipeline.manifest import FileEntry
from pipeline.verification.findings import Finding, Layer, check_file, damage, of_error

MANIFEST: Final = ".manifest.json"
"""What the name of a manifest ends in, after that of the output."""

_ENDS: Final = (".rec", ".idx")
_PART: Final = re.compile(r"\.rec\.part[0-9]+$")
_AGAIN: Final = "run the shardmill im2rec command again: it writes all files of this output anew"
_FOREIGN: Final = "pack its list with shardmill im2rec, or move it away"


@dataclass(frozen=True)
class PackedSet:
    """An output of im2rec as its manifest describes it.

    Attributes:
        manifest: where that lies.
        document: what it says.
    """

    manifest: Path
    document: PackManifest

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """The records, the index, and a list where one was made."""
        return self.document.files

    @property
    def records(self) -> Path:
        """The RecordIO file."""
        return self.manifest.with_name(self.files[0].file)


@dataclass(frozen=True)
class ScannedRecords:
    """The records of a file as they lie in it.

    Attributes:
        ids: of each record.
        offsets: of each record, in bytes.
        lengths: of each record with its framing and padding, in bytes.
        findings: what is wrong with the framing or with a header.
    """

    ids: array[int] = field(default_factory=lambda: array("Q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class PackCheck:
    """What came of reading one output back.

    Attributes:
        findings: what is wrong.
        records: how many records were read.
        bytes: how large the files are together.
        compared: how many records were compared with their sources.
    """

    findings: list[Finding]
    records: int
    bytes: int
    compared: int = 0


def find_manifests(path: Path) -> list[Path]:
    """Return the manifests of the outputs of im2rec that a path means, sorted.

    Args:
        path: a folder: all in it; a manifest, or a file that one speaks of.
    """
    if storage.real_folder(path) is not None:
        names = {entry.name for entry in storage.entries(path) if entry.kind == "file"}
        return sorted(path / name for name in names if _is_manifest(path / name, names))
    if _names_output(path.name):
        return [path] if storage.stat(path) else []
    beside = {path.with_name(f"{stem}{MANIFEST}") for stem in (path.name, path.stem)}
    return sorted(file for file in beside if storage.stat(file) and _speaks_of(file, path.name))


def open_set(path: Path) -> PackedSet | Finding:
    """Read a manifest, or say what is wrong with it."""
    try:
        return PackedSet(path, manifest.read(path, PackManifest))
    except ShardmillError as error:
        return of_error(Layer.SELF_CHECKSUM, path, error)


def check_set(path: Path, compare: Callable[[PackedSet, ScannedRecords], PackCheck]) -> PackCheck:
    """Read an output back.

    Args:
        path: its manifest.
        compare: compares it with its sources; called where its files are whole.
    """
    opened = open_set(path)
    if isinstance(opened, Finding):
        return PackCheck([_kept(opened)], 0, 0)
    findings = [each for entry in opened.files for each in check_file(path.parent, entry, _AGAIN)]
    scanned = ScannedRecords()
    if storage.stat(opened.records) is not None:
        scanned = scan_records(opened.records)
        findings += [*scanned.findings, *_check_records(opened, scanned)]
    compared = 0
    if not findings:
        result = compare(opened, scanned)
        findings, compared = result.findings, result.compared
    size = sum(entry.bytes for entry in opened.files)
    return PackCheck([_kept(each) for each in findings], len(scanned.ids), size, compared)


def scan_records(path: Path) -> ScannedRecords:
    """Read the records of a file up to where it is damaged."""
    scanned = ScannedRecords()
    try:
        for number, record in enumerate(read_records(path), start=1):
            try:
                parsed = parse_header(record.data, file=f"{path}, record {number}")
            except OutputDamaged as error:
                scanned.findings.append(of_error(Layer.RECORD_FACTS, path, error))
                continue
            scanned.ids.append(parsed.id)
            scanned.offsets.append(record.offset)
            scanned.lengths.append(record.length)
    except ShardmillError as error:
        scanned.findings.append(of_error(Layer.RECORD_CRC, path, error))
    return scanned


def strays(path: Path, manifests: Collection[Path]) -> list[Finding]:
    """Return the RecordIO files and the indexes that no manifest speaks of.

    Args:
        path: a folder: all in it; or a file, which is the only one that counts.
        manifests: those of `find_manifests`.
    """
    known = set()
    for each in manifests:
        opened = open_set(each)
        if isinstance(opened, Finding):  # its files are not known: none is taken for a stray
            known |= {each.name.removesuffix(MANIFEST) + end for end in (*_ENDS, "")}
        else:
            known |= {entry.file for entry in opened.files}
    if storage.real_folder(path) is None:
        folder, names = path.parent, [path.name] if storage.stat(path) else []
    else:
        folder, names = path, sorted(entry.name for entry in storage.entries(path))
    return [_stray(folder / name) for name in names if name not in known and _is_output(name)]


def _is_output(name: str) -> bool:
    return not name.startswith(".") and bool(name.endswith(_ENDS) or _PART.search(name))


def _stray(path: Path) -> Finding:
    what = "no manifest speaks of this file: another program made it, or a command was killed"
    return damage(Layer.UNEXPECTED_FILE, path, what, remedy=_FOREIGN, removable=False)


def no_compare(_found: PackedSet, _scanned: ScannedRecords) -> PackCheck:
    """Compare nothing."""
    return PackCheck([], 0, 0)


def missing_files(found: PackedSet) -> list[str]:
    """Return the files of an output that are absent or of another size."""
    return [
        entry.file
        for entry in found.files
        if (info := storage.stat(found.manifest.with_name(entry.file))) is None
        or info.size != entry.bytes
    ]


def _check_records(found: PackedSet, scanned: ScannedRecords) -> Iterator[Finding]:
    if scanned.findings:
        return
    expected, read = found.document.counts.records, len(scanned.ids)
    if read != expected:
        what = "wrong number of records"
        yield damage(Layer.RECORD_FACTS, found.records, what, None, str(expected), str(read))
    index = found.manifest.with_name(found.files[1].file)
    if storage.stat(index) is None:
        return
    if not storage.holds(index, index_lines(scanned.ids, scanned.offsets)):
        yield damage(Layer.INDEX, index, "the index does not fit the records")


def _names_output(name: str) -> bool:
    return name.endswith(MANIFEST) and not name.startswith(".") and name != MANIFEST


def _is_manifest(path: Path, names: Collection[str]) -> bool:
    """Whether a file is a manifest of im2rec, though perhaps a damaged one."""
    if not _names_output(path.name):
        return False
    stem = path.name.removesuffix(MANIFEST)
    beside = {stem, *(stem + end for end in _ENDS)}
    return not beside.isdisjoint(names) or isinstance(open_set(path), PackedSet)


def _speaks_of(path: Path, name: str) -> bool:
    """Whether a manifest names a file; a damaged one may have."""
    opened = open_set(path)
    return isinstance(opened, Finding) or name in {entry.file for entry in opened.files}


def _kept(finding: Finding) -> Finding:
    """Return a finding on a file that is only replaced, by the command that wrote it."""
    error = finding.error
    if isinstance(error, OutputDamaged):
        texts = (error.place, error.expected, error.found)
        return damage(finding.layer, finding.path, error.what, *texts, _AGAIN, removable=False)
    return Finding(finding.layer, finding.path, error, removable=False)
