"""Reading outputs back: whatever is wrong is found, by the right layer, and nothing else."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import prepare
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.formats.record import Placement
from pipeline.formats.tfrecord.shard import index_lines, read_records
from pipeline.shards import facts
from pipeline.state import standing
from pipeline.verification import findings, outputcheck, shardcheck, statecheck
from pipeline.verification.findings import Finding, Layer
from pipeline.verification.reading import Verification

TRAIN = "tfrecord/train"
SHARDS = 2
LEFT = ("nothing", "half", "others", "another's")
WHERE = (0.0, 0.5, 1.0)  # of a file
STATE = ".shardmill"
RECORD_LAYERS = {Layer.RECORD_FACTS, Layer.PLAN}


@pytest.fixture(scope="module")
def finished(small: RawSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    counts = ("--shards", f"train={SHARDS}", "--shards", "validation=1")
    run = prepare(small, out, "--extract", *counts)
    assert run.returncode == 0, run.stderr
    return out


@pytest.fixture
def copied(finished: Path, out: Path) -> Path:
    shutil.copytree(finished, out, symlinks=True)
    return out


def found(out: Path) -> list[Finding]:
    reading = Verification(out, statecheck.known_jobs(out))
    return list(reading.findings(standing.output_folders(out)))


def layers(found: Iterable[Finding]) -> set[Layer]:
    return {finding.layer for finding in found}


def looked_at(out: Path) -> list[Path]:
    """Every file that should be looked at: what a lock file says is of a moment."""
    return [
        path
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.stat().st_size and paths.runs(out) not in path.parents
        if "current" not in path.parts and path.suffix != ".lock"
    ]


def folder_of(out: Path, split: str = "train") -> Path:
    return (out / "tfrecord" / split / "current").resolve()


def shards_of(out: Path) -> list[Path]:
    return sorted(folder_of(out).glob("train-*"))


def flip(path: Path, place: int = -1, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def records_of(shard: Path) -> list[bytes]:
    content = shard.read_bytes()
    places = [(record.offset, record.length) for record in read_records(shard)]
    return [content[offset : offset + length] for offset, length in places]


def rewrite(shard: Path, records: list[bytes]) -> None:
    """Replace the records of a shard; index and manifest fit afterwards."""
    shard.write_bytes(b"".join(records))
    offsets = [sum(map(len, records[:place])) for place in range(len(records))]
    placements = [Placement(o, len(record)) for o, record in zip(offsets, records, strict=True)]
    (shard.parent / "idx" / shard.name).write_bytes(index_lines(placements))
    reseal(shard.parent, {shard.name: len(records)})


def reseal(folder: Path, records: dict[str, int] | None = None) -> None:
    """Make the manifest agree with what lies there, so that deeper layers must find it."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    for entry in document["files"]:
        entry["bytes"] = (folder / entry["file"]).stat().st_size
        entry["xxh3_128"] = manifest.hash_file(folder / entry["file"])
    for shard in document["shards"]:
        shard["bytes"] = (folder / shard["file"]).stat().st_size
        shard["records"] = (records or {}).get(shard["file"], shard["records"])
    path.write_bytes(manifest.serialise(document))


def forget_marks(out: Path) -> None:
    shutil.rmtree(out / STATE / "shards")


def test_nothing_is_found_in_an_intact_output(finished: Path) -> None:
    assert found(finished) == []


def test_a_flipped_bit_in_any_file_is_found_and_blamed_on_that_file_alone(
    copied: Path, chance: random.Random
) -> None:
    kinds = {(path.parent.parent, path.suffix): path for path in looked_at(copied)}
    assert len(kinds) > 15
    for number, path in enumerate(kinds.values()):
        content = path.read_bytes()
        flip(path, int(WHERE[number % 3] * (len(content) - 1)), chance.randrange(8))
        assert {finding.path for finding in found(copied)} == {path}
        path.write_bytes(content)


@pytest.mark.parametrize("first", [0, 1])
def test_no_damage_makes_verification_itself_fail(copied: Path, first: int) -> None:
    """Of each kind of file, what is left is half of what can be, in turn."""
    foreign = (copied / STATE / "job.json").read_bytes()
    kinds = {(path.parent.parent, path.suffix): path for path in looked_at(copied)}
    for number, path in enumerate(kinds.values()):
        left = LEFT[(first * 2 + number) % len(LEFT)]
        content = path.read_bytes()
        size = len(content) // 2
        by = {"nothing": b"", "half": content[:size], "others": bytes(size), "another's": foreign}
        path.write_bytes(by[left])
        if content != by[left] and (left != "another's" or path.suffix != ".json"):
            assert {finding.path for finding in found(copied)} == {path}
        else:
            assert all(finding.path == path for finding in found(copied))
        path.write_bytes(content)


def _missing(shards: list[list[bytes]]) -> None:
    del shards[0][1]


def _doubled(shards: list[list[bytes]]) -> None:
    shards[0].append(shards[0][0])


def _swapped(shards: list[list[bytes]]) -> None:
    shards[0][0], shards[0][1] = shards[0][1], shards[0][0]


def _swapped_between(shards: list[list[bytes]]) -> None:
    shards[0][0], shards[1][0] = shards[1][0], shards[0][0]


def _replaced(shards: list[list[bytes]]) -> None:
    shards[0][:] = shards[1]


@pytest.mark.parametrize("change", [_missing, _doubled, _swapped, _swapped_between, _replaced])
def test_wrong_records_are_found_behind_a_manifest_that_fits(
    copied: Path, change: Callable[[list[list[bytes]]], None]
) -> None:
    before = [records_of(shard) for shard in shards_of(copied)]
    after = [list(records) for records in before]
    change(after)
    changed = set()
    for shard, old, new in zip(shards_of(copied), before, after, strict=True):
        if old != new:
            rewrite(shard, new)
            changed |= {shard, shard.parent / "idx" / shard.name}
    told = found(copied)
    assert {finding.path for finding in told} <= {*changed, folder_of(copied) / "manifest.json"}
    assert Layer.MARK in layers(told)
    assert layers(told) & RECORD_LAYERS
    forget_marks(copied)
    told = found(copied)
    assert layers(told) <= {*RECORD_LAYERS, Layer.INDEX}
    assert layers(told) & RECORD_LAYERS


def test_an_index_that_does_not_fit_is_found_behind_a_manifest_that_fits(copied: Path) -> None:
    index = shards_of(copied)[0].parent / "idx" / shards_of(copied)[0].name
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"".join(reversed(lines)))
    reseal(index.parents[1])
    forget_marks(copied)
    assert [(each.layer, each.path) for each in found(copied)] == [(Layer.INDEX, index)]


def test_a_file_of_another_size_than_some_bytes_is_not_read_to_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "index"
    path.write_bytes(b"0 8\n")
    assert storage.holds(path, b"0 8\n")
    assert not storage.holds(path, b"0 9\n")
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # it takes no room on the disk
    assert not storage.holds(path, b"0 8\n")


def test_facts_that_are_not_those_of_the_shards_are_found_behind_a_manifest_that_fits(
    copied: Path,
) -> None:
    path = folder_of(copied) / "facts.parquet"
    table = facts.read(path)
    column = table.schema.get_field_index("mode")
    modes = table["mode"].cast("string").to_pylist()
    field = table.schema.field("mode")
    wrong = pa.array(["CMYK", *modes[1:]]).cast(field.type)
    changed = table.set_column(column, field, wrong)
    with pq.ParquetWriter(path, table.schema) as writer:
        for shard in range(SHARDS):
            rows = [place for place, of in enumerate(table["shard"].to_pylist()) if of == shard]
            writer.write_table(changed.take(rows))
    reseal(folder_of(copied))
    told = found(copied)
    assert [(finding.layer, finding.path) for finding in told] == [(Layer.MARK, path)]


def test_a_manifest_that_does_not_name_all_its_files_is_found(copied: Path) -> None:
    path = folder_of(copied) / "manifest.json"
    document = json.loads(path.read_text())
    document["files"] = []
    path.write_bytes(manifest.serialise(document))
    told = found(copied)
    assert {(finding.layer, finding.path) for finding in told} == {(Layer.COMPLETENESS, path)}


def test_an_image_that_is_there_twice_is_found_by_all_shards_together(copied: Path) -> None:
    path = folder_of(copied) / "manifest.json"
    document = json.loads(path.read_text())
    document["counts"]["images"] += 1
    path.write_bytes(manifest.serialise(document))
    assert [(each.layer, each.path) for each in found(copied)] == [(Layer.COMPLETENESS, path)]


def test_the_manifest_of_another_output_is_refused(copied: Path) -> None:
    path = folder_of(copied) / "manifest.json"
    shutil.copy(folder_of(copied, "validation") / "manifest.json", path)
    assert [(each.layer, each.path) for each in found(copied)] == [(Layer.SELF_CHECKSUM, path)]


@pytest.mark.parametrize("first", ["manifest.json", "facts.parquet"])
def test_one_damage_does_not_hide_another(copied: Path, first: str) -> None:
    shard = shards_of(copied)[1]
    flip(folder_of(copied) / first)
    flip(shard, 1000)
    assert {each.path for each in found(copied)} == {folder_of(copied) / first, shard}


def test_a_damaged_plan_is_not_believed(copied: Path) -> None:
    (plan,) = (copied / STATE / "plans").glob("train-*.arrow")
    flip(plan, 2000)
    assert [(each.layer, each.path) for each in found(copied)] == [(Layer.FILE_HASH, plan)]


def test_logs_may_hold_anything_and_what_is_remembered_may_be_gone(copied: Path) -> None:
    for path in (copied / STATE / "runs").rglob("*.jsonl"):
        path.write_bytes(b"\xff")
    assert found(copied) == []
    for folder in (copied / STATE).iterdir():
        if folder.is_dir() and folder.name not in {"products", "trees"}:
            shutil.rmtree(folder)
    assert found(copied) == []


def test_a_link_to_no_output_is_found(copied: Path) -> None:
    link = copied / TRAIN / "current"
    link.unlink()
    link.symlink_to("0123456789ab")
    (told,) = found(copied)
    assert told.layer is Layer.FINISHED
    assert not told.removable


def test_a_shard_of_wrong_images_is_told_in_a_few_lines() -> None:
    shard = Path("train-00000-of-00001")
    many = [findings.damage(Layer.PLAN, shard, f"wrong {number}") for number in range(1000)]
    told = list(findings.truncated(many))
    assert len(told) < 10
    assert "995 more" in told[-1].error.what


def test_flips_of_a_shard_are_seen_by_its_hash_and_by_its_records(copied: Path) -> None:
    chance = random.Random(0)
    shard = shards_of(copied)[0]
    content = shard.read_bytes()
    output = outputcheck.open_output(copied, folder_of(copied))
    assert isinstance(output, outputcheck.FinishedOutput)
    check = next(outputcheck.shards_to_check(output, None, ()))
    for _ in range(40):
        flip(shard, chance.randrange(len(content)), chance.randrange(8))
        told = layers(shardcheck.check_shard(check).findings)
        assert told >= {Layer.FILE_HASH, Layer.RECORD_CRC}
        shard.write_bytes(content)


def test_damage_of_tables_is_an_error_of_the_program_and_names_the_file(copied: Path) -> None:
    output = outputcheck.open_output(copied, folder_of(copied))
    assert isinstance(output, outputcheck.FinishedOutput)
    for path in map(storage.on_this_machine, (paths.facts(output.folder), output.plan)):
        content = path.read_bytes()
        for size in range(0, len(content), len(content) // 8):
            path.write_bytes(content[:size])
            for check in outputcheck.shards_to_check(output, None, ()):  # all are believed
                assert {each.path for each in shardcheck.check_shard(check).findings} == {path}
        path.write_bytes(content)


def test_a_link_that_leads_elsewhere_is_found_and_not_followed(
    copied: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    (elsewhere / "manifest.json").write_text('{"mine": 1}')
    link = copied / TRAIN / "current"
    link.unlink()
    link.symlink_to(elsewhere)
    (told,) = found(copied)
    assert (told.layer, told.path, told.removable) == (Layer.FINISHED, link, False)


@pytest.mark.parametrize(
    ("pattern", "changes"),
    [
        (f"{TRAIN}/*/manifest.json", {"shards": 5}),
        (f"{TRAIN}/*/manifest.json", {"counts": []}),
        (f"{TRAIN}/*/manifest.json", {"left_out": [{}]}),
        (f"{TRAIN}/*/manifest.json", {"digests": {"output": ""}}),
        (f"{STATE}/products/tree-train.json", {"groups": "x"}),
        (f"{STATE}/products/tree-train.json", {"folder": None}),
        (f"{STATE}/job.json", {"job": 7}),
        (f"{STATE}/job.json", {"job": "[]"}),
    ],
)
def test_a_document_of_another_form_is_found_and_made_anew_unless_it_says_whose_a_product_is(
    copied: Path, pattern: str, changes: dict[str, object]
) -> None:
    (path,) = (path for path in copied.glob(pattern) if "current" not in path.parts)
    document = manifest.load(path)
    if "digests" in changes:
        changes = {"digests": {"output": document["digests"]["output"]}}
    path.write_bytes(manifest.serialise({**document, **changes}))
    told = found(copied)
    assert {each.path for each in told} == {path}
    assert all(each.removable == ("products" not in path.parts) for each in told)
