"""What is read back of every format: flipped bits, and records that right hashes hide."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest
from drawnlists import ALL_FORMATS, ListedSet, draw_list, encoded, lay, shards

from pipeline import manifest, paths, storage
from pipeline.catalog import plan
from pipeline.catalog.shard_name import ShardName
from pipeline.formats.record import ImageRecord
from pipeline.formats.registry import FORMATS
from pipeline.images.prepare import ImageOptions, Preparation, preparation
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.split import SplitJob
from pipeline.shards import finish as outputs
from pipeline.shards.output import Output
from pipeline.shards.preparing import open_images
from pipeline.shards.read import Image
from pipeline.shards.write import write_shard
from pipeline.state import standing, status
from pipeline.verification import statecheck
from pipeline.verification.findings import Finding, Layer
from pipeline.verification.reading import Verification

SHARDS = 3
RESIZED = ("--resize", 16, "--quality", 90)
AS_THEY_ARE = [name for name, made in FORMATS.items() if not made.jpeg_only]
"""The formats that take images as they are."""
Change = Callable[[list[ImageRecord]], list[ImageRecord]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    """A list of which one image is turned and one is named twice."""
    found = draw_list(tmp_path_factory.mktemp("drawn") / "drawn")
    lay(found.root / "turned.jpg", encoded(orientation=6))
    found.add("500\t1\tturned.jpg", "501\t6\tturned.jpg", "502\t0.5\tcats/0.jpg")
    return found


@pytest.fixture(scope="module")
def finished(drawn: ListedSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    run = drawn.prepare_here(out, *ALL_FORMATS, "--joined", "--shards", SHARDS)
    assert run.returncode == 0, run.stderr
    return out


@pytest.fixture(scope="module")
def resized(drawn: ListedSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("resized") / "out"
    run = drawn.prepare_here(out, *ALL_FORMATS, *RESIZED)
    assert run.returncode == 0, run.stderr
    return out


@pytest.fixture(params=FORMATS)
def copied(request: pytest.FixtureRequest, finished: Path, tmp_path: Path) -> Copy:
    """A copy of the output in one format."""
    shutil.copytree(finished, tmp_path / "out", symlinks=True)
    return Copy(tmp_path / "out", request.param)


class Copy:
    """An output that can be changed, with every hash set right afterwards."""

    def __init__(self, out: Path, name: str) -> None:
        self.out, self.name = out, name
        job = status.recorded_jobs(out)[-1]
        resolve.cache_clear()
        self.resolved: ResolvedJob = resolve(replace(job, out=str(out)))
        self.split: SplitJob
        (self.split,) = self.resolved.splits.values()
        self.output: Output = self.split.output(name)

    def shard(self, index: int) -> ShardName:
        return ShardName(self.split.name, index, SHARDS)

    def rows(self, index: int) -> pa.RecordBatch:
        return plan.read_shard(paths.plan(self.out, self.split.name, self.split.plan_digest), index)

    def rewrite(self, index: int, change: Change) -> None:
        """Write a shard of changed records: framing, index and all hashes are right."""
        files = self.output.files(self.shard(index))
        prepares = preparation(self.output.form.image)
        with ExitStack() as stack:
            sources = stack.enter_context(storage.open_sources(self.resolved.root))
            staged = [stack.enter_context(storage.StagedFile(path)) for path in files]
            writer = self.output.form.shard_format.writer(
                staged, self.output.form.options, len(self.rows(index))
            )
            given = []
            images = stack.enter_context(open_images(self.rows(index), sources, prepares))
            for image in images:
                assert isinstance(image, Image)
                given.append(replace(image.record, encoded=bytes(image.record.encoded)))
            for record in change(given):
                writer.write(record)
            writer.finish()
            storage.publish(*staged)
        self.seal()

    def seal(self) -> None:
        """Give the manifest and the marks the sizes and hashes of the files as they are."""
        for index in range(SHARDS):
            _seal(paths.shard_mark(self.out, self.output.digest, index), self.out)
        folder = storage.on_this_machine(self.output.folder)
        _seal(paths.manifest(folder), folder)

    def findings(self, raw: Path | None = None) -> list[Finding]:
        jobs = statecheck.known_jobs(self.out)
        return list(Verification(self.out, jobs, raw).findings([self.output.folder]))

    def layers(self, raw: Path | None = None) -> set[Layer]:
        return {finding.layer for finding in self.findings(raw)}


def _seal(path: Path, base: Path) -> None:
    document = manifest.load(path)
    for entry in document["files"]:
        entry["bytes"] = (base / entry["file"]).stat().st_size
        entry["xxh3_128"] = manifest.hash_file(base / entry["file"])
    path.write_bytes(manifest.serialise(document))


def test_an_intact_output_passes_with_its_sources_and_without(
    copied: Copy, drawn: ListedSet
) -> None:
    assert copied.findings(drawn.root) == []
    copied.rewrite(0, lambda records: records)  # which changes nothing
    if not FORMATS[copied.name].jpeg_only:  # whose repairs are not made here
        assert copied.findings(drawn.root) == []


def test_an_intact_output_passes_without_its_plan(copied: Copy) -> None:
    storage.remove(copied.out, paths.plan(copied.out, copied.split.name, copied.split.plan_digest))
    assert copied.findings() == []


def test_a_flipped_bit_is_found_in_every_file(copied: Copy, chance: random.Random) -> None:
    files = sorted(
        path for path in storage.on_this_machine(copied.output.folder).rglob("*") if path.is_file()
    )
    assert len(files) >= SHARDS + 2
    for path in files:
        content = path.read_bytes()
        at, bit = chance.randrange(len(content)), chance.randrange(8)
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        found = copied.findings()
        assert path in {finding.path for finding in found}, (path, at, bit)
        path.write_bytes(content)
    assert copied.findings() == []


def test_a_shard_that_is_gone_or_cut_is_found(copied: Copy) -> None:
    first, second, _ = shards(storage.on_this_machine(copied.output.folder))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-5])
    assert {finding.path for finding in copied.findings()} >= {first, second}


def swapped(records: list[ImageRecord]) -> list[ImageRecord]:
    return [*records[:1], records[2], records[1], *records[3:]]


def doubled(records: list[ImageRecord]) -> list[ImageRecord]:
    return [*records, replace(records[0], id=77)]


def other_label(records: list[ImageRecord]) -> list[ImageRecord]:
    first = replace(records[0], class_index=9, labels=())
    return [first, *records[1:]]


def other_labels(records: list[ImageRecord]) -> list[ImageRecord]:
    return [replace(records[0], labels=(1.0, 0.5)), *records[1:]]


def other_image(records: list[ImageRecord]) -> list[ImageRecord]:
    return [replace(records[0], encoded=encoded(99)), *records[1:]]


def images_swapped(records: list[ImageRecord]) -> list[ImageRecord]:
    first, second, *others = records
    one = replace(first, encoded=second.encoded)
    return [one, replace(second, encoded=first.encoded), *others]


@pytest.mark.parametrize("copied", AS_THEY_ARE, indirect=True)
@pytest.mark.parametrize(
    ("change", "layer"),
    [
        (swapped, Layer.RECORD_FACTS),
        (images_swapped, Layer.RECORD_FACTS),
        (other_image, Layer.RECORD_FACTS),
        (lambda records: records[:-1], Layer.RECORD_FACTS),
        (lambda records: records[1:], Layer.RECORD_FACTS),
        (doubled, Layer.RECORD_FACTS),
        (other_label, Layer.PLAN),
        (other_labels, Layer.PLAN),
    ],
    ids=["swapped", "images", "image", "last", "first", "doubled", "label", "labels"],
)
def test_records_that_are_not_those_written_are_found_behind_right_hashes(
    copied: Copy, change: Change, layer: Layer
) -> None:
    if copied.name == "mds" and change is doubled:
        with pytest.raises(ValueError, match="planned"):  # its table has no room for one more
            copied.rewrite(1, change)
        return
    copied.rewrite(1, change)
    found = copied.findings()
    assert layer in {finding.layer for finding in found}
    wrong = copied.output.files(copied.shard(1))[0]
    assert wrong in {finding.path for finding in found}
    outside = {Layer.SIZE, Layer.FILE_HASH, Layer.SELF_CHECKSUM, Layer.RECORD_CRC}
    assert not outside & {finding.layer for finding in found}


@pytest.mark.parametrize("copied", ["recordio"], indirect=True)
def test_another_id_is_found_behind_right_hashes(copied: Copy) -> None:
    copied.rewrite(0, lambda records: [replace(records[0], id=78), *records[1:]])
    assert Layer.PLAN in copied.layers()


@pytest.mark.parametrize("copied", ["webdataset", "hf-parquet", "mds"], indirect=True)
def test_another_name_is_found_behind_right_hashes(copied: Copy) -> None:
    copied.rewrite(0, lambda records: [replace(records[0], key="other.jpg"), *records[1:]])
    assert Layer.PLAN in copied.layers()


@pytest.mark.parametrize(
    "copied", [name for name, made in FORMATS.items() if len(made.files("")) > 1], indirect=True
)
def test_an_index_of_other_records_is_found_behind_right_hashes(copied: Copy) -> None:
    _, index, *_ = copied.output.files(copied.shard(2))
    other = copied.output.files(copied.shard(1))[1]
    shutil.copy(storage.on_this_machine(other), storage.on_this_machine(index))
    copied.seal()
    found = copied.findings()
    assert [(finding.layer, finding.path) for finding in found] == [(Layer.INDEX, index)]


def test_an_image_of_another_shard_is_found_though_all_documents_agree(copied: Copy) -> None:
    """Facts, marks and manifest are made of what is written here: only the plan tells."""
    rows = [copied.rows(index) for index in range(SHARDS)]
    first = pa.concat_batches([rows[0].slice(0, len(rows[0]) - 1), rows[1].slice(0, 1)])
    second = pa.concat_batches([rows[0].slice(len(rows[0]) - 1), rows[1].slice(1)])
    for index, changed in enumerate((first, second)):
        _write(copied, index, changed)
        # What is kept of the images would tell, too.
        paths.part_sources(copied.out, copied.split.shards_digest, index).unlink()
    outputs.finish(copied.resolved, copied.split, copied.output)
    found = copied.layers()
    assert Layer.PLAN in found
    assert found <= {Layer.PLAN, Layer.RECORD_FACTS}  # the file's name is of the plan, too


def test_an_image_that_is_nowhere_is_found_without_the_plan(copied: Copy) -> None:
    _write(copied, 0, copied.rows(0).slice(1))
    outputs.finish(copied.resolved, copied.split, copied.output)
    assert Layer.PLAN in copied.layers()
    storage.remove(copied.out, paths.plan(copied.out, copied.split.name, copied.split.plan_digest))
    assert copied.layers() == {Layer.COMPLETENESS}


def _write(copied: Copy, index: int, rows: pa.RecordBatch) -> None:
    name, root = copied.shard(index), copied.resolved.root
    write_shard(copied.out, name, rows, root, [copied.output], whole_files=True)


class TestSources:
    @pytest.fixture(params=[False, True], ids=["as they are", "resized"])
    def folders(self, request: pytest.FixtureRequest, finished: Path, resized: Path) -> list[Path]:
        out = resized if request.param else finished
        return [storage.on_this_machine(each) for each in standing.output_folders(out)]

    def found(self, folders: list[Path], raw: Path) -> list[Finding]:
        return list(Verification(folders[0].parents[2], (), raw).findings(folders))

    def test_that_are_as_they_were_are_found_to_be(
        self, folders: list[Path], drawn: ListedSet
    ) -> None:
        assert len(folders) == len(FORMATS)
        assert self.found(folders, drawn.root) == []

    def test_that_have_changed_are_found_and_no_shard_may_be_removed(
        self, folders: list[Path], drawn: ListedSet, tmp_path: Path
    ) -> None:
        raw = tmp_path / "root"
        shutil.copytree(drawn.root, raw)
        lay(raw / "cats/4.jpg", encoded(98).ljust((raw / "cats/4.jpg").stat().st_size, b"\0"))
        lay(raw / "cats/3.png", b"")
        (raw / "cats/7.png").unlink()
        found = self.found(folders, raw)
        assert {finding.layer for finding in found} == {Layer.SOURCE}
        assert not any(finding.removable for finding in found)
        said = "\n".join(str(finding.error) for finding in found)
        for name in ("cats/4.jpg", "cats/3.png", "cats/7.png"):
            assert said.count(name) >= len(FORMATS), name


def test_another_codec_is_no_damage(
    drawn: ListedSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baked = ImageOptions(orientation="bake")
    run = drawn.prepare_here(tmp_path / "out", "--format", "recordio", "--orientation", "bake")
    assert run.returncode == 0, run.stderr
    copied = Copy(tmp_path / "out", "recordio")
    assert copied.output.form.image == baked
    preparation.cache_clear()
    monkeypatch.setattr("pipeline.images.repair.codec", lambda: "another / libjpeg")
    monkeypatch.setattr(Preparation, "prepare", Mock(side_effect=AssertionError("compared")))
    try:
        assert copied.findings(drawn.root) == []
    finally:
        preparation.cache_clear()
