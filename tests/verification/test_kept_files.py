"""Verify reads images and masks back that a source keeps in the output: a flipped bit is found."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import inprocess
import pytest
from finishedoutputs import of_openimages

from pipeline.sources import registry
from pipeline.verification.findings import Layer
from pipeline.verification.keptcheck import check_kept

TABLES = ".shardmill/openimages"


@pytest.fixture
def out(openimages: Path, tmp_path: Path) -> Path:
    made = tmp_path / "out"
    shutil.copytree(of_openimages(openimages), made, symlinks=True)
    return made


def findings(out: Path) -> list[tuple[Layer, object]]:
    checks = [check_kept(files) for files in registry.kept_files(out)]
    return [(each.layer, each.path) for check in checks for each in check.findings]


def kept(out: Path) -> list[Path]:
    folders = (out / name for name in ("images", "masks", "masks_image_size"))
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def test_every_file_is_read_back(out: Path) -> None:
    checks = [check_kept(files) for files in registry.kept_files(out)]
    assert sum(check.files for check in checks) == len(kept(out))
    assert sum(check.bytes for check in checks) == sum(path.stat().st_size for path in kept(out))
    assert not any(check.findings for check in checks)


def test_a_flipped_bit_is_found_wherever_it_is(out: Path) -> None:
    rng = random.Random(7)
    files = kept(out)
    for path in rng.choices(files, k=200):
        content = bytearray(path.read_bytes())
        place = rng.randrange(len(content) * 8)
        content[place // 8] ^= 1 << place % 8
        before = path.read_bytes()
        path.write_bytes(content)
        name = path.relative_to(out).parent.as_posix()
        of_file = [
            each for each in registry.kept_files(out) if each.name in {name, name.split("/")[0]}
        ]
        found = [each.path for files in of_file for each in check_kept(files).findings]
        assert found == [path], place
        path.write_bytes(before)


def test_files_that_are_gone_or_cut_are_found(out: Path) -> None:
    first, second = kept(out)[0], kept(out)[-1]
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    assert {*findings(out)} == {(Layer.SIZE, first), (Layer.SIZE, second)}


@pytest.mark.parametrize("table", ["selections", "images", "masks"])
def test_a_damaged_table_is_found_by_its_mark(
    out: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = min((out / TABLES / table).rglob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    ran = inprocess.verify(monkeypatch, out)
    assert (ran.status, str(path) in ran.said) == (1, True)


def test_records_are_compared_with_the_images_in_the_output(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = inprocess.verify(monkeypatch, out, "--against", out)
    assert (ran.status, ran.said.count(f" compared with the images in {out}")) == (0, 3), ran.said
    image = min((out / "images" / "train").iterdir())
    image.write_bytes(image.read_bytes()[:-2] + b"\x00\x00")
    ran = inprocess.verify(monkeypatch, out, "--against", out)
    assert (ran.status, "is not its source" in ran.said) == (1, True), ran.said


def test_what_is_damaged_is_removed_and_made_again_alone(
    out: Path, openimages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, mask = kept(out)[0], kept(out)[-1]
    contents = image.read_bytes(), mask.read_bytes()
    assert inprocess.verify(monkeypatch, out).status == 0
    times = {path: path.stat().st_mtime_ns for path in kept(out)}
    for path in (image, mask):
        content = bytearray(path.read_bytes())
        content[-9] ^= 4
        path.write_bytes(content)
    ran = inprocess.verify(monkeypatch, out, "--remove-damaged")
    assert (ran.status, image.exists(), mask.exists()) == (1, False, False)
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml")
    words = ("--class", "Bear", "--class", "Waffle", "--class", "Handgun", "--masks")
    sized = ("--mask-size", "image")
    ran = inprocess.shardmill(monkeypatch, "openimages", *where, *words, *sized, "--out", out)
    assert ran.status == 4, ran.said
    assert (image.read_bytes(), mask.read_bytes()) == contents
    others = (path for path in kept(out) if path not in {image, mask})
    assert all(path.stat().st_mtime_ns == times[path] for path in others)
    assert inprocess.verify(monkeypatch, out).status == 0


def test_images_of_a_command_that_makes_no_shards_are_read_back(
    openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "images alone"
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml", "--out", out)
    words = ("--class", "Bear", "--split", "test", "--until", "images")
    ran = inprocess.shardmill(monkeypatch, "openimages", *where, *words)
    assert ran.status == 0, ran.said
    ran = inprocess.verify(monkeypatch, out)
    assert (ran.status, "not known any more" in ran.said) == (0, False), ran.said
    image = min((out / "images" / "test").iterdir())
    image.write_bytes(image.read_bytes()[:-2] + b"\x00\x00")
    ran = inprocess.verify(monkeypatch, out, "--remove-damaged")
    assert (ran.status, image.exists()) == (1, False), ran.said
