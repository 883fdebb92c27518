"""Reads finished outputs back and says everything that is not as it was written.

Layers, outermost first: the manifest's own hash; every file's size and xxh3-128; the CRC-32C of
each record; each record's place, picture hash and size against the facts; its name and label
against the plan; and, against the raw archives, each picture against its source.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline import facts, manifest, paths, plan, storage
from pipeline.errors import ArchiveMissing, OutputDamaged, ShardmillError
from pipeline.job import FORMATS
from pipeline.manifest import Document
from pipeline.paths import ShardName
from pipeline.recordcheck import REMEDY, Expected, RecordChecker, damaged


@dataclass(frozen=True)
class FinishedOutput:
    """An output with a manifest that is as it was written."""

    out: Path
    folder: Path
    document: Document

    @property
    def shards(self) -> int:
        """How many shards it has."""
        return len(self.document["shards"])

    @property
    def plan(self) -> Path:
        """Where its plan lies, if that was kept."""
        return paths.plan(self.out, self.document["split"], self.document["digests"]["plan"])

    @property
    def plan_mark(self) -> Path:
        """Where the mark of its plan lies."""
        return paths.plan_mark(self.out, self.document["split"], self.document["digests"]["plan"])


@dataclass(frozen=True)
class ShardCheck:
    """What reading one shard back has shown."""

    shard: int
    records: int
    bytes: int
    compared: int
    keys: tuple[str, ...]
    damage: tuple[ShardmillError, ...]


def output_folders(out: Path) -> list[Path]:
    """Return the folders of all outputs, finished or not."""
    return [
        paths.output(out, shard_format, split, digest)
        for shard_format in FORMATS
        for split in storage.folders(out / shard_format, links=True)
        for digest in storage.folders(paths.outputs(out, shard_format, split))
        if paths.is_digest(digest)
    ]


def is_abandoned(folder: Path, wanted: Collection[Path]) -> bool:
    """Whether an output is unfinished and nobody asks for it: `current` has another, whole."""
    split, shard_format = folder.parent.name, folder.parent.parent.name
    pointed = storage.pointed(paths.current(folder.parents[2], shard_format, split))
    current = folder.parent / (pointed or folder.name)
    return (
        folder not in wanted
        and storage.stat(paths.manifest(folder)) is None
        and current != folder
        and storage.stat(paths.manifest(current)) is not None
    )


def open_output(out: Path, folder: Path) -> FinishedOutput:
    """Read the manifest of an output.

    Raises:
        OutputDamaged: there is none, or it is not as it was written.
    """
    path = paths.manifest(folder)
    if storage.stat(path) is None:
        raise OutputDamaged(
            "the output is not finished: it has no manifest",
            file=str(folder),
            remedy="run the shardmill command again: it goes on where it was",
        )
    return FinishedOutput(out, folder, manifest.load(path))


def check_sources(output: FinishedOutput, raw: Path) -> None:
    """Check that there is something to compare the pictures with.

    Raises:
        ArchiveMissing: one is not.
    """
    images = output.document["inputs"][0]
    if "folder" in images:
        path, what = raw / images["folder"], "the tree that it was made from"
        there = not storage.is_empty(path)
    else:
        path, what = raw / images["file"], f"the archive of MD5 {images['md5']}"
        there = storage.stat(path) is not None
    if not there:
        raise ArchiveMissing(
            "what to compare with is not there",
            file=str(path),
            expected=what,
            remedy="name the folder that holds it with --against",
        )


def check_tables(output: FinishedOutput) -> list[ShardmillError]:
    """Check the facts and the plan, on which the checks of the shards rely."""
    damage = file_damage(output.folder, manifest.files_of(output.document)[-1])
    if storage.stat(output.plan) is not None:
        try:
            mark = manifest.load(output.plan_mark)
        except ShardmillError as error:
            return [*damage, error]
        for entry in manifest.files_of(mark):
            damage += file_damage(output.out, entry)
    return damage


def check_shard(output: FinishedOutput, shard: int, raw: Path | None) -> ShardCheck:
    """Read one shard back and compare it with all that is known of it.

    Args:
        output: where it belongs.
        shard: 0-based number.
        raw: folder of the archives or tree, to compare each picture with its source; or None.
    """
    count = output.shards
    name = ShardName(output.document["split"], shard, count)
    file = paths.tfrecord_shard(output.folder, name)
    index = paths.tfrecord_index(output.folder, name)
    entries = {entry.file: entry for entry in manifest.files_of(output.document)}
    damage: list[ShardmillError] = []
    for path in (file, index):
        damage += file_damage(output.folder, entries[str(path.relative_to(output.folder))])
    checker = RecordChecker(_expected(output, shard), raw)
    try:
        for error in checker.check(file, index):
            damage.append(error)
    except ShardmillError as error:
        damage.append(error)
    return ShardCheck(
        shard,
        checker.records,
        entries[file.name].bytes,
        checker.compared,
        tuple(checker.keys),
        tuple(damage),
    )


def check_whole(output: FinishedOutput, checks: list[ShardCheck]) -> list[ShardmillError]:
    """Check what only all shards together show: every image exactly once."""
    keys = [key for check in checks for key in check.keys]
    left_out = [image["key"] for image in output.document["left_out"]]
    counts = output.document["counts"]
    expected = f"{counts['images']} different images, {counts['left_out']} of them left out"
    found = f"{len(set(keys) | set(left_out))} different, {len(keys)} records, {len(left_out)} out"
    right = (
        len(keys) == counts["records"]
        and len(left_out) == counts["left_out"]
        and len(set(keys) | set(left_out)) == len(keys) + len(left_out) == counts["images"]
    )
    if right or any(check.damage for check in checks):
        return []
    return [damaged(output.folder, "not every image exactly once", None, expected, found)]


def _expected(output: FinishedOutput, shard: int) -> Expected:
    document = output.document
    left_out = {image["key"] for image in document["left_out"]}
    planned = []
    if storage.stat(output.plan) is not None:
        planned = plan.read_shard(output.plan, shard).to_pylist()
    return Expected(
        facts=facts.read_shard(paths.facts(output.folder), shard).to_pylist(),
        plan=[row for row in planned if row["key"] not in left_out],
        repairs={mended["key"]: mended for mended in document["repairs"]},
        label_offset=document["parameters"]["label_offset"],
    )


def file_damage(
    base: Path, entry: manifest.FileEntry, remedy: str = REMEDY
) -> list[ShardmillError]:
    """Return what is wrong with a file, by its size and its hash."""
    path = base / entry.file
    info = storage.stat(path)
    if info is None:
        return [damaged(path, "the file is gone", None, f"{entry.bytes} bytes", "nothing", remedy)]
    if info.size != entry.bytes:
        what, size = "the file has another size", str(info.size)
        return [damaged(path, what, None, str(entry.bytes), size, remedy)]
    found = manifest.hash_file(path)
    if found != entry.xxh3_128:
        return [damaged(path, "the file's hash is wrong", None, entry.xxh3_128, found, remedy)]
    return []
