"""Records against facts, plan and sources: what the checksums of a shard cannot tell."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import prepare
from support import RawSet

from pipeline import storage
from pipeline.catalog import plan
from pipeline.catalog import table as catalog
from pipeline.formats.record import Placement
from pipeline.formats.tfrecord.shard import frame_header, index_lines, masked_crc32c, read_records
from pipeline.shards import facts
from pipeline.verification import outputcheck, shardcheck
from pipeline.verification.expected import Expected
from pipeline.verification.findings import Finding, Layer
from pipeline.verification.outputcheck import FinishedOutput
from pipeline.verification.recordcheck import RecordChecker


@pytest.fixture(scope="module")
def output(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> FinishedOutput:
    """The training images of the sample in one shard: repaired ones and boxes are among them."""
    out = tmp_path_factory.mktemp("records") / "out"
    run = prepare(sample, out, "--split", "train", "--shards", "train=1")
    assert run.returncode == 0, run.stderr
    found = outputcheck.open_output(out, (out / "tfrecord/train/current").resolve())
    assert isinstance(found, FinishedOutput)
    return found


@pytest.fixture(scope="module")
def expected(output: FinishedOutput) -> Expected:
    table = facts.read_shard(output.folder / "facts.parquet", 0, 1000)
    return Expected(
        records=table.num_rows,
        facts=table.to_pylist(),
        plan=list(catalog.dicts(plan.read_shard(output.plan, 0))),
        repairs={image.key: image for image in output.document.repairs},
        form=outputcheck.form_of(output),
    )


class Shard:
    """A copy of the shard whose records can be changed; its framing fits afterwards."""

    def __init__(self, output: FinishedOutput, folder: Path) -> None:
        self.file, self.index = folder / "shard", folder / "index"
        source = next(storage.on_this_machine(output.folder).glob("train-*"))
        self.data = [bytes(record.data) for record in read_records(source)]
        self.write()

    def write(self) -> None:
        records = [
            frame_header(len(data)) + data + struct.pack("<I", masked_crc32c(data))
            for data in self.data
        ]
        offsets = [sum(map(len, records[:place])) for place in range(len(records))]
        self.file.write_bytes(b"".join(records))
        placements = [Placement(o, len(each)) for o, each in zip(offsets, records, strict=True)]
        self.index.write_bytes(index_lines(placements))

    def change(self, number: int, old: bytes, new: bytes) -> None:
        assert len(old) == len(new)
        assert old in self.data[number]
        self.data[number] = self.data[number].replace(old, new, 1)
        self.write()

    def check(self, expected: Expected, raw: Path | None = None) -> list[Finding]:
        return list(RecordChecker(expected, raw).check(self.file, self.index))


@pytest.fixture
def shard(output: FinishedOutput, tmp_path: Path) -> Shard:
    return Shard(output, tmp_path)


def layers(found: list[Finding]) -> list[Layer]:
    return [finding.layer for finding in found]


def first(expected: Expected, wanted: Callable[[Any, Any], object]) -> int:
    rows = zip(expected.facts, expected.plan, strict=True)
    return next(number for number, (fact, row) in enumerate(rows) if wanted(fact, row))


def test_an_intact_shard_is_as_its_sources_are(
    shard: Shard, expected: Expected, sample: RawSet
) -> None:
    checker = RecordChecker(expected, sample.raw)
    assert list(checker.check(shard.file, shard.index)) == []
    assert checker.records == checker.compared == len(checker.keys) == 96
    assert sum(fact["repair"] is not None for fact in expected.facts) > 0


def test_a_changed_box_is_found_under_a_right_checksum(shard: Shard, expected: Expected) -> None:
    number = first(expected, lambda _, row: row["boxes"])
    box = struct.pack("<f", expected.plan[number]["boxes"][0][0])
    shard.change(number, box, bytes([box[0] ^ 1, *box[1:]]))
    (found,) = shard.check(expected)
    assert found.layer is Layer.PLAN
    assert expected.facts[number]["key"] in found.error.what
    assert found.error.place is not None
    assert found.error.place.startswith(f"record {number + 1}, ")


def test_a_repaired_image_is_compared_byte_by_byte_with_the_plan_too(
    shard: Shard, expected: Expected
) -> None:
    number = first(expected, lambda fact, _: fact["repair"])
    boxes = expected.plan[number]["boxes"]
    planned: list[Any] = [dict(row) for row in expected.plan]
    planned[number]["boxes"] = () if boxes else ((0.0, 0.0, 0.5, 0.5),)
    assert layers(shard.check(replace(expected, plan=planned))) == [Layer.PLAN]


@pytest.mark.parametrize(
    ("of", "layer"),
    [
        (lambda _, row: row["class_id"], Layer.PLAN),
        (lambda _, row: row["class_text"], Layer.PLAN),
        (lambda fact, _: fact["key"].rpartition("/")[2], Layer.RECORD_FACTS),
    ],
)
def test_a_changed_word_is_found_under_a_right_checksum(
    shard: Shard, expected: Expected, of: Callable[[Any, Any], str], layer: Layer
) -> None:
    word = of(expected.facts[5], expected.plan[5]).encode()
    shard.change(5, word, bytes([word[0] ^ 1]) + word[1:])
    assert layer in layers(shard.check(expected))


def test_a_changed_image_is_found_under_a_right_checksum(shard: Shard, expected: Expected) -> None:
    data = shard.data[7]
    shard.change(7, data, data[:-1] + bytes([data[-1] ^ 1]))
    (found,) = shard.check(expected)
    assert found.layer is Layer.RECORD_FACTS
    assert f"xxh3_128 of {expected.facts[7]['key']}" in found.error.what


def test_a_record_that_cannot_be_parsed_does_not_hide_the_next(
    shard: Shard, expected: Expected
) -> None:
    shard.data[1] = b"\xff" * len(shard.data[1])
    data = shard.data[2]
    shard.change(2, data, data[:-1] + bytes([data[-1] ^ 1]))
    assert layers(shard.check(expected)) == [Layer.RECORD_FACTS] * 2


@pytest.mark.parametrize("place", [0, 8, 12, -1])
def test_behind_broken_framing_the_records_are_still_looked_at(
    shard: Shard, expected: Expected, place: int
) -> None:
    content = bytearray(shard.file.read_bytes())
    third, fourth = expected.facts[2], expected.facts[3]
    content[third["offset"] + (place if place >= 0 else third["length"] - 1)] ^= 1
    content[fourth["offset"] + fourth["length"] - 5] ^= 1  # the last byte of an image
    shard.file.write_bytes(content)
    found = shard.check(expected)
    assert layers(found)[0] is Layer.RECORD_CRC
    assert [each.error.what for each in found if fourth["key"] in each.error.what]
    assert Layer.INDEX not in layers(found)


def test_without_facts_the_framing_alone_is_checked(shard: Shard, expected: Expected) -> None:
    blind = replace(expected, facts=[], plan=[])
    assert shard.check(blind) == []
    content = bytearray(shard.file.read_bytes())
    content[1000] ^= 1
    shard.file.write_bytes(content)
    assert layers(shard.check(blind)) == [Layer.RECORD_CRC]


def test_a_record_too_few_is_found_with_no_plan_to_tell(shard: Shard, expected: Expected) -> None:
    del shard.data[-1]
    shard.write()
    found = shard.check(replace(expected, plan=[], records=95))
    assert layers(found) == [Layer.RECORD_FACTS]


def test_an_image_that_is_not_its_source_may_not_be_removed(
    shard: Shard, expected: Expected, sample: RawSet, tmp_path: Path
) -> None:
    changed = sample.copy(tmp_path / "changed").raw
    row = expected.plan[first(expected, lambda fact, _: fact["repair"] is None)]
    archive = bytearray((changed / row["source"]).read_bytes())
    archive[row["offset"] + row["length"] // 2] ^= 1
    (changed / row["source"]).write_bytes(archive)
    (found,) = shard.check(expected, changed)
    assert found.layer is Layer.SOURCE
    assert not found.removable


def test_a_shard_is_sent_to_a_process_without_the_manifest(output: FinishedOutput) -> None:
    (shard,) = outputcheck.shards_to_check(output, None, ())
    assert [entry.file for entry in shard.entries] == [
        entry.file for entry in output.document.files[:2]
    ]
    assert not any(isinstance(value, dict) for value in vars(shard).values())
    assert shardcheck.check_shard(shard).findings == ()
