"""Every parser of the project as a function of bytes, and what it promises of what it accepts.

A function here parses a document, which it may lay in an empty folder, and asserts an invariant
of what came out. It raises the errors that its target names, and nothing else.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from pathlib import Path
from typing import Any

import documents
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import seals
from msgspec import structs
from xxhash import xxh3_128_digest

from pipeline import manifest, names, storage
from pipeline.annotations import bboxes, boxtable
from pipeline.annotations.voc import normalise, parse_annotation
from pipeline.archives.compressed import read_members
from pipeline.archives.index import ArchiveIndex, VerifiedArchive, verify_and_index
from pipeline.archives.member_hashes import MemberHashes
from pipeline.archives.tar import Member, TarScanner
from pipeline.catalog import class_table as classtable
from pipeline.catalog.classes import LabelTable
from pipeline.documents import kinds
from pipeline.errors import ArchiveRefused
from pipeline.formats.examples.example import encode_head, parse_example
from pipeline.formats.record import ImageRecord, ParsedRecord
from pipeline.formats.tfrecord.shard import read_records
from pipeline.images.engine import PillowEngine
from pipeline.images.header import read_header
from pipeline.images.inspection import inspect, is_cut_short
from pipeline.images.orientation import SIDEWAYS, UPRIGHT
from pipeline.images.repair import repair
from pipeline.images.segments import SOS, jpeg_scans
from pipeline.images.spec import EncodeSpec
from pipeline.sources.ilsvrc2012 import dataset as config
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012 import members
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.devkit import read_labels
from pipeline.sources.ilsvrc2012.expectation import Expectation
from pipeline.sources.ilsvrc2012.solution import load_solution
from pipeline.sources.imagelist import lst
from pipeline.sources.inputs import NO_MD5
from pipeline.storage.clutter import EXAMPLES, in_clutter

TABLE = LabelTable(Path("synsets.tsv"), ("n01", "n02", "n03"), ("a", "b", "c"), {})
_CLASSES = SplitConfig("train", "a.tar", "train", "class-tars", 1, counts="counts.tsv")
_NAMED_BY_CONFIG = ["synsets.tsv", "counts.tsv", "validation_synsets.txt"]
_NAMED_BY_CONFIG += ["validation_blacklist.txt"]
_CONTROLS = set(map(chr, range(ord(" "))))
_DEVKIT = "devkit/data/"
_MD5 = re.compile("[0-9a-f]{32}")
_LARGEST = 1 << 20
_HIGHEST = 50
_NO_IMAGE = memoryview(b"")
_PIECE = 700  # bytes; no whole number of blocks


def _laid(content: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def try_tar(data: bytes, _: Path) -> None:
    """Members lie in the archive, in its order, and do not depend on how it is fed."""
    _try_tar_with_broken_ones(data)
    scanner, found = TarScanner("a.tar", nested=True), []
    try:
        for at in range(0, len(data), _PIECE):
            found += scanner.feed(data[at : at + _PIECE])
        scanner.finish()
    finally:
        again = TarScanner("a.tar", nested=True)
        try:
            assert again.feed(data)[: len(found)] == found
        except ArchiveRefused:
            assert scanner.end is None
    for member in found:
        assert member.size >= 0
        assert seals.BLOCK <= member.offset <= member.offset + member.size <= len(data)
        assert "\0" not in member.name
    tops = [member.offset + member.size for member in found if not member.container]
    assert tops == sorted(tops)


def _try_tar_with_broken_ones(data: bytes) -> None:
    """Nested tars that cannot be read are noted, whatever the pieces; the others are read."""
    whole = TarScanner("a.tar", nested=True, keep_broken=True)
    pieces = TarScanner("a.tar", nested=True, keep_broken=True)
    found: list[Member] = []
    with contextlib.suppress(ArchiveRefused):
        for at in range(0, len(data), _PIECE):
            found += pieces.feed(data[at : at + _PIECE])
    with contextlib.suppress(ArchiveRefused):
        assert whole.feed(data)[: len(found)] == found
    noted = [(tar.name, tar.refusal.place) for tar in pieces.broken]
    assert [(tar.name, tar.refusal.place) for tar in whole.broken] == noted


def _indexed(archive: Path, index: Path) -> VerifiedArchive:
    path = index.with_suffix(".members")
    with storage.StagedFile(index) as staged, storage.StagedFile(path) as hashes:
        found = verify_and_index(archive, staged, hashes, expected_md5=None, nested=True)
        storage.publish(hashes, staged)
    return found


def try_index(data: bytes, folder: Path) -> None:
    """The index has a row for every member, and each but a nested tar has its hash."""
    archive, index = _laid(data, folder, "a.tar"), folder / "index.parquet"
    found = _indexed(archive, index)
    rows = pq.read_table(index, columns=["container", "offset", "size"]).to_pylist()
    assert len(rows) == found.members
    offsets = np.array([row["offset"] for row in rows], np.int64)
    known = MemberHashes(index.with_suffix(".members")).at(offsets)
    for row, content in zip(rows, known, strict=True):
        member = data[row["offset"] : row["offset"] + row["size"]]
        assert content is None or content == xxh3_128_digest(member)
        assert content is not None or not row["container"]


def try_class_members(data: bytes, folder: Path) -> None:
    """Images lie in the archive and have keys that are names; clutter is counted, and no image."""
    archive, index = _laid(data, folder, "a.tar"), folder / "index.parquet"
    _indexed(archive, index)
    parts = ArchiveIndex(index)
    for rows in members.archive_rows(parts, _CLASSES, TABLE, Expectation({})):
        ends = zip(rows["offset"].to_pylist(), rows["length"].to_pylist(), strict=True)
        assert all(0 < offset <= offset + length <= len(data) for offset, length in ends)
        for key, wnid in zip(rows["key"].to_pylist(), rows["class_id"].to_pylist(), strict=True):
            assert key.startswith(f"{wnid}/")
            assert key.count("/") == 1
            assert not in_clutter(key)
    left = members.passed_over(parts)
    assert len(left.examples) == min(left.count, EXAMPLES)


def try_members(data: bytes, folder: Path) -> None:
    """A content that is given is as long as its member."""
    for member, content in read_members(_laid(data, folder, "a.tgz"), largest=_LARGEST):
        assert content is None or len(content) == member.size


def try_voc(data: bytes, _: Path) -> None:
    """An image has a size; a box has an area inside it."""
    found = parse_annotation(data)
    assert found.width > 0
    assert found.height > 0
    for each in found.objects:
        assert (each.corners is None) == (each.problem is not None)
        box, _repairs = normalise(each.corners or (0, 0, 1, 1), found.width, found.height)
        if box is not None:
            xmin, ymin, xmax, ymax = box
            assert 0 <= xmin < xmax <= 1
            assert 0 <= ymin < ymax <= 1


def try_boxes(data: bytes, folder: Path) -> None:
    """What is written for the catalog is read back as it was, and has the numbers of the CSV."""
    content = {"n01/a.xml": data, "n01/b.xml": documents.annotation_files()[0]}
    archive = _laid(documents.tar_of(content), folder, "boxes.tar")
    found = bboxes.collect(archive, classes=frozenset(TABLE.class_ids))
    bboxes.report_bytes(found)
    lines = b"".join(bboxes.csv_pieces(found)).decode().splitlines()
    table = boxtable.read(_laid(b"".join(boxtable.pieces(found)), folder, "boxes.arrow"))
    assert table.keys.to_pylist() == ["n01/a", "n01/b"]
    numbers = [float(np.float32(each)) for line in lines for each in line.split(",")[1:]]
    assert table.boxes.flatten().to_pylist() == numbers


def try_solution(data: bytes, folder: Path) -> None:
    """Names and classes hold no separators; lines are told apart."""
    answers = load_solution(_laid(data, folder, "LOC_val_solution.csv")).answers
    for image, answer in answers.items():
        assert not set(', \n"') & set(image + answer.wnid)
    assert len({answer.line for answer in answers.values()}) == len(answers)


def try_image_list(data: bytes, folder: Path, *, width: int | None = None) -> None:
    """Ids are told apart, labels are finite; written between TABs, a list is read as the same."""
    found = pa.concat_tables(lst.read(_laid(data, folder, "a.lst"), label_width=width))
    found.validate(full=True)
    assert found.schema.equals(lst.SCHEMA)
    rows = found.drop_columns(["line"]).to_pylist()
    assert not any(names.has_control(row["path"]) for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)
    assert (np.diff(found["line"].to_numpy()) > 0).all()
    written = "".join(map(_listed, rows)).encode()
    for form in (written, written.replace(b"\n", b" \n"), b"\n" + written):
        again = pa.concat_tables(lst.read(_laid(form, folder, "b.lst"), label_width=width))
        assert again.drop_columns(["line"]).to_pylist() == rows


def try_class_table(data: bytes, folder: Path) -> None:
    """Names are told apart in whatever encoding; written as a table, they are read as the same."""
    found = classtable.read(_laid(data, folder, "classes.txt"))
    assert len({classtable.normal(name) for name in found.names}) == len(found.names) > 0
    assert classtable.read(_laid(found.content(), folder, "table.tsv")) == found
    assert not any(map(names.folder_flaw, found.names))


def _listed(row: dict[str, Any]) -> str:
    """Return an image as a line of a list, its labels with all their digits."""
    assert np.isfinite(row["labels"]).all()
    assert row["labels"]
    return "\t".join([str(row["id"]), *map(repr, row["labels"]), row["path"]]) + "\n"


def try_table(data: bytes, folder: Path) -> None:
    """Every class can be a folder and has its words, and as many columns as the header."""
    table = labels.load_table(_laid(data, folder, "synsets.tsv"))
    assert len(table.words) == len(table.class_ids) == len(table.index)
    assert all(len(column) == len(table.class_ids) for column in table.columns.values())
    assert table.digest
    assert not any(map(names.class_flaw, table.class_ids))
    assert not any(map(names.has_control, table.words))


def try_counts(data: bytes, folder: Path) -> None:
    """Counts are of known classes, and not negative."""
    found = labels.load_counts(str(_laid(data, folder, "counts.tsv")), TABLE)
    assert found.keys() <= TABLE.index.keys()
    assert all(count >= 0 for count in found.values())


def try_list(data: bytes, folder: Path) -> None:
    assert set(labels.load_list(_laid(data, folder, "list.txt"), TABLE)) <= TABLE.index.keys()


def try_numbers(data: bytes, folder: Path) -> None:
    found = labels.load_numbers(_laid(data, folder, "blacklist.txt"), _HIGHEST)
    assert all(1 <= number <= _HIGHEST for number in found)


def try_classes(data: bytes, folder: Path) -> None:
    found = labels.load_classes(_laid(data, folder, "classes.txt"), TABLE)
    assert found
    assert set(found) <= TABLE.index.keys()


def try_config(data: bytes, folder: Path) -> None:
    """Names are fit for files, folders and options; numbers are positive; references hold."""
    for name in _NAMED_BY_CONFIG:
        (folder / name).touch()
    found = config.load(_laid(data, folder, "dataset.toml"))
    for archive in itertools.chain(found.archives.values(), found.optional.values()):
        assert "/" not in archive.file
        assert not set(archive.file) & _CONTROLS
        assert archive.bytes is None or archive.bytes > 0
        assert archive.md5 == NO_MD5 or _MD5.fullmatch(archive.md5)
    known = all(split.is_counted for split in found.splits.values())
    every = (*found.archives.values(), *found.optional.values())
    assert found.says_all == (known and all(archive.md5 != NO_MD5 for archive in every))
    for split in found.splits.values():
        assert split.shards > 0
        assert found.archive(split.archive).file.endswith(".tar")
        assert split.boxes is None or found.named(split.boxes)


def _devkit(meta: bytes, truth: bytes, folder: Path) -> None:
    files = {
        f"{_DEVKIT}meta.mat": meta,
        f"{_DEVKIT}ILSVRC2012_validation_ground_truth.txt": truth,
    }
    found = read_labels(_laid(documents.tar_of(files), folder, "devkit.tar"), TABLE)
    assert set(found) <= TABLE.index.keys()


def try_meta(data: bytes, folder: Path) -> None:
    _devkit(data, documents.TRUTH, folder)


def try_truth(data: bytes, folder: Path) -> None:
    _devkit(documents.metas(packed=True)[0], data, folder)


def try_header(data: bytes, _: Path) -> None:
    """An image has a size, and what is seen does not depend on how its bytes are held."""
    header, seen = read_header(data), inspect(memoryview(data))
    assert header == seen.header == inspect(data).header
    assert header.width > 0
    assert header.height > 0
    assert UPRIGHT <= seen.orientation <= max(SIDEWAYS)
    assert seen == inspect(data)
    cut = is_cut_short(data, seen)
    assert cut == is_cut_short(memoryview(data), seen)
    if header.format == "JPEG" and seen.segments[-1][0] == SOS:
        scans = jpeg_scans(data, seen.segments[-1][1])
        assert scans.headers[0] < scans.end <= len(data)
        assert list(scans.headers) == sorted(set(scans.headers))
        assert cut <= (not scans.whole)


def try_repair(data: bytes, _: Path) -> None:
    """What is encoded anew is a whole RGB JPEG of the size that the header says."""
    repaired = repair(data)
    before, after = read_header(data), read_header(repaired)
    assert (after.format, after.mode) == ("JPEG", "RGB")
    assert not is_cut_short(repaired, inspect(repaired))
    assert not inspect(repaired).notes
    assert (after.width, after.height) == (before.width, before.height)


def try_foreign(data: bytes, _: Path) -> None:
    """An image of another format is encoded as a whole JPEG of the size that is told."""
    done = PillowEngine().process(data, EncodeSpec(quality=90, transcode=True, max_pixels=1 << 20))
    header = read_header(done.encoded)
    assert (header.width, header.height) == (done.width, done.height)
    assert header.width * header.height <= 1 << 20
    assert not is_cut_short(done.encoded, inspect(done.encoded))


def try_manifest(data: bytes, folder: Path) -> None:
    """It is written again as it stands; of whatever kind it is, its files can be asked for."""
    path = _laid(data, folder, "manifest.json")
    document = manifest.load(path)
    assert manifest.serialise(document) == data
    for kind in kinds.ALL:
        found = manifest.read_complete(path, folder, kind)
        assert manifest.read_whole(path, kind) == found
        for entry in found.files if found else ():
            assert (folder / entry.file).resolve().is_relative_to(folder.resolve())


def try_tfrecord(data: bytes, folder: Path) -> None:
    """The records fill the file."""
    end = 0
    for record in read_records(_laid(data, folder, "train-00000-of-00001")):
        assert record.offset == end
        assert bytes(record.data) == data[end + 12 : end + record.length - 4]
        end += record.length
    assert end == len(data)


def try_example(data: bytes, _: Path) -> None:
    """An image has a size; what is encoded of it again is read as the same."""
    found = parse_example(data)
    assert found.width > 0
    assert found.height > 0
    assert found.label >= -1
    record = ImageRecord(
        found.filename,
        found.filename,
        found.label,
        found.class_id,
        found.class_text,
        found.boxes,
        found.width,
        found.height,
        found.encoded,
    )
    again = parse_example(encode_head(record, 0) + bytes(found.encoded))
    assert _shown(again) == _shown(found)


def _shown(example: ParsedRecord) -> str:
    """Return an Example as text: no number is not equal to itself."""
    return f"{structs.replace(example, encoded=_NO_IMAGE)}, {bytes(example.encoded).hex()}"
