"""``shardmill verify`` finds what is not as it was written."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import support
from commands import prepare, shardmill
from finishedoutputs import kept, prepared
from PIL import Image
from support import RawSet

from pipeline import manifest
from pipeline.im2rec.job import PackJob
from pipeline.im2rec.pack import pack

PNG = io.BytesIO()
Image.new("RGB", (8, 8)).save(PNG, "PNG")
VALIDATION = "ILSVRC2012_img_val.tar"


@pytest.fixture
def copied(small: RawSet, tmp_path: Path) -> Path:
    prepared(small, tmp_path / "copied")
    return tmp_path / "copied"


def test_an_intact_output_passes(sample: RawSet) -> None:
    run = support.shardmill("verify", kept(sample).out, "--against", sample.raw)
    assert run.returncode == 0, run.stderr
    assert "96 records, " in run.stdout
    assert "96 compared with their sources" in run.stdout
    assert "24 compared with their sources" in run.stdout


def test_what_im2rec_wrote_beside_an_output_is_verified_too(copied: Path) -> None:
    (copied / "foreign.rec").write_bytes(b"of another program")
    (copied / "images").mkdir()
    (copied / "images" / "0.png").write_bytes(PNG.getvalue())
    (copied / "a.lst").write_text("0\t0\t0.png\n")
    pack(PackJob(copied / "a.lst", copied / "images", copied / "a.rec", pass_through=True))
    run = shardmill("verify", copied)
    assert run.returncode == 0, run.stderr
    assert "a.manifest.json: 1 record" in run.stdout
    (copied / "a.idx").write_text("0\t4\n")
    assert shardmill("verify", copied).returncode == 1


@pytest.mark.parametrize(
    "pattern",
    [
        "tfrecord/train/*/train-*",
        "tfrecord/train/*/idx/train-*",
        "tfrecord/train/*/facts.parquet",
        "tfrecord/train/*/manifest.json",
        ".shardmill/plans/train-*.arrow",
    ],
)
def test_a_flipped_bit_is_found_wherever_it_is(copied: Path, pattern: str) -> None:
    chance = random.Random(pattern)
    path = chance.choice(sorted(p for p in copied.glob(pattern) if "current" not in str(p)))
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content))
    content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    run = shardmill("verify", copied)
    assert run.returncode == 1
    assert path.name in run.stderr


def _remove(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [_remove, _cut])
def test_a_missing_or_cut_shard_is_named(copied: Path, damage: Callable[[Path], None]) -> None:
    shard = next((copied / "tfrecord/validation/current").glob("validation-00001-*"))
    damage(shard)
    run = shardmill("verify", copied)
    assert run.returncode == 1
    assert shard.name in run.stderr


def _reseal(out: Path, shard: Path, records: int) -> None:
    """Make a changed shard look right to the manifest, so that deeper checks must find it."""
    index = shard.parent / "idx" / shard.name
    path = shard.parent / "manifest.json"
    document = json.loads(path.read_text())
    for entry in document["files"]:
        changed = shard.parent / entry["file"]
        if changed in {shard, index}:
            entry["bytes"] = changed.stat().st_size
            entry["xxh3_128"] = manifest.hash_file(changed)
    for entry in document["shards"]:
        if entry["file"] == shard.name:
            entry["bytes"], entry["records"] = shard.stat().st_size, records
    path.write_bytes(manifest.serialise(document))


@pytest.mark.parametrize("change", ["missing", "doubled", "swapped"])
def test_a_missing_doubled_or_swapped_record_is_found_behind_right_hashes(
    copied: Path, change: str
) -> None:
    folder = (copied / "tfrecord/train/current").resolve()
    lists = {path: path.read_text().splitlines() for path in sorted(folder.glob("idx/train-*"))}
    index_path, lines = next((path, lines) for path, lines in lists.items() if len(lines) > 1)
    shard = folder / index_path.name
    content = shard.read_bytes()
    places = [tuple(map(int, line.split())) for line in lines]
    records = [content[offset : offset + length] for offset, length in places]
    if change == "missing":
        records = records[:-1]
    elif change == "doubled":
        records = [*records, records[0]]
    else:
        records[0], records[1] = records[1], records[0]
    shard.write_bytes(b"".join(records))
    offset, index = 0, ""
    for record in records:
        index += f"{offset} {len(record)}\n"
        offset += len(record)
    index_path.write_text(index)
    _reseal(copied, shard, len(records))
    run = shardmill("verify", copied)
    assert run.returncode == 1
    assert shard.name in run.stderr


def test_a_source_that_differs_is_found(small: RawSet, copied: Path, tmp_path: Path) -> None:
    changed = small.copy(tmp_path / "changed")
    with tarfile.open(changed.raw / VALIDATION) as tar:
        member = tar.getmembers()[3]
    content = bytearray((changed.raw / VALIDATION).read_bytes())
    content[member.offset_data + member.size // 2] ^= 4
    (changed.raw / VALIDATION).write_bytes(content)
    run = shardmill("verify", copied, "--against", changed.raw)
    assert run.returncode == 1
    assert f"{member.name}: its source is not what it was when its archive was" in run.stderr
    for path in (copied / ".shardmill" / "archives").glob("*.members.*"):  # of an older version
        path.unlink()
    run = shardmill("verify", copied, "--against", changed.raw)
    assert run.returncode == 1
    assert f"{member.name} is not its source" in run.stderr


def test_without_its_plan_an_output_is_still_checked_and_that_is_said(
    small: RawSet, copied: Path
) -> None:
    shutil.rmtree(copied / ".shardmill" / "plans")
    run = shardmill("verify", copied)
    assert run.returncode == 0, run.stderr
    assert "labels not checked" in run.stdout
    assert shardmill("verify", copied, "--against", small.raw).returncode == 2


def test_an_unfinished_output_is_said_to_be_one(copied: Path) -> None:
    next(copied.glob("tfrecord/train/*/manifest.json")).unlink()
    run = shardmill("verify", copied)
    assert run.returncode == 1
    assert "not finished" in run.stderr


def test_an_output_that_was_asked_for_and_is_gone_is_a_problem(copied: Path) -> None:
    shutil.rmtree(copied / "tfrecord/train")
    run = shardmill("verify", copied)
    assert run.returncode == 1
    assert "train" in run.stderr


def test_an_unfinished_output_that_another_has_replaced_is_no_problem(
    small: RawSet, out: Path
) -> None:
    prepared(small, out)
    assert prepare(small, out, "--seed", 1).returncode == 0
    current = os.readlink(out / "tfrecord/train/current")
    for manifest_file in out.glob("tfrecord/train/*/manifest.json"):
        if manifest_file.parent.name not in {current, "current"}:
            manifest_file.unlink()
    run = shardmill("verify", out)
    assert run.returncode == 0, run.stderr
    assert "not looked at" in run.stdout


def test_a_missing_archive_to_compare_with_is_said_once(copied: Path, tmp_path: Path) -> None:
    run = shardmill("verify", copied, "--against", tmp_path)
    assert run.returncode == 3
    assert run.stderr.count("not there") == 1


def test_a_split_that_lies_elsewhere_behind_a_link_is_read_too(
    copied: Path, tmp_path: Path
) -> None:
    (copied / "tfrecord/train").rename(tmp_path / "elsewhere")
    (copied / "tfrecord/train").symlink_to(tmp_path / "elsewhere")
    run = shardmill("verify", copied)
    assert run.returncode == 0
    assert "12 records" in run.stdout


def test_a_folder_without_outputs_is_a_usage_error(tmp_path: Path) -> None:
    assert shardmill("verify", tmp_path).returncode == 2
