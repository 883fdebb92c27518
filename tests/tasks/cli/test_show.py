"""``shardmill show``: where an image lies, what is known of it, and the image as a file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from commands import shardmill
from drawnlists import SPLIT, draw_list, encoded, lay
from finishedoutputs import kept, of_list_in_all_formats, prepared
from PIL import Image
from support import RawSet

FORMATS = ("tfrecord", "recordio", "webdataset")


@pytest.fixture
def finished(small: RawSet) -> Path:
    """What is made of the archives; no test changes it."""
    return kept(small).out


def first_fact(out: Path, name: str = "tfrecord", split: str = "train") -> dict[str, Any]:
    facts = pq.read_table(out / name / split / "current/facts.parquet")
    fact: dict[str, Any] = facts.slice(0, 1).to_pylist()[0]
    return fact


def test_the_image_is_saved_as_it_is_stored_and_its_place_is_said(
    finished: Path, tmp_path: Path
) -> None:
    fact, saved = first_fact(finished), tmp_path / "saved.jpg"
    run = shardmill("show", finished, fact["key"], "--save", saved)
    assert (run.returncode, run.stderr) == (0, "")
    shard = next((finished / "tfrecord/train/current").glob("train-00000-of-*"))
    assert saved.read_bytes() in shard.read_bytes()
    lines = dict(line.strip().split(":", 1) for line in run.stdout.splitlines() if ":" in line)
    assert run.stdout.startswith(f"{fact['key']}\n")
    assert lines["split"].strip() == "train"
    assert "record 1 of" in lines["shard"]
    assert lines["xxh3-128"].strip() == fact["xxh3_128"]
    assert f"{fact['width']} x {fact['height']} pixels" in lines["image"]
    assert "ILSVRC2012_img_train.tar" in lines["source"]
    assert fact["key"].startswith(lines["class"].split()[0])
    assert lines["written"].strip() == str(saved)


def test_a_file_name_is_enough_with_or_without_its_ending(finished: Path) -> None:
    key = first_fact(finished)["key"]
    said = shardmill("show", finished, key).stdout
    name = key.rpartition("/")[2]
    for word in (name, name.removesuffix(".JPEG"), key.removesuffix(".JPEG")):
        assert shardmill("show", finished, word, "--split", "train").stdout == said


def test_boxes_are_said_and_drawn(finished: Path, tmp_path: Path) -> None:
    key, plain, drawn = first_fact(finished)["key"], tmp_path / "plain.jpg", tmp_path / "drawn.png"
    assert shardmill("show", finished, key, "--save", plain).returncode == 0
    run = shardmill("show", finished, key, "--boxes", "--save", drawn)
    assert run.returncode == 0
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("  box:")]
    left, top = (round(float(word)) for word in line.split()[1].split(",")[:1] * 2)
    with Image.open(plain) as before, Image.open(drawn) as after:
        assert (after.format, after.size) == ("PNG", before.size)
        row = [after.getpixel((left, y)) for y in range(top, after.height)]
        assert (0xE6, 0x19, 0x4B) in row
    jpeg = tmp_path / "drawn.JPG"
    assert shardmill("show", finished, key, "--boxes", "--save", jpeg).returncode == 0
    with Image.open(jpeg) as image:
        assert image.format == "JPEG"


def test_nothing_is_written_over_and_no_other_kind_of_file_is_drawn(
    finished: Path, tmp_path: Path
) -> None:
    there = lay(tmp_path / "there.jpg", b"mine")
    run = shardmill("show", finished, first_fact(finished)["key"], "--save", there)
    assert (run.returncode, run.stdout, there.read_bytes()) == (2, "", b"mine")
    run = shardmill("show", finished, "any", "--boxes", "--save", tmp_path / "a.gif")
    assert run.returncode == 2
    assert "a JPEG or a PNG" in run.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ILSVRC2012_val_0000000",), "ILSVRC2012_val_0000000"),
        (("ilsvrc2012_VAL_00000001.jpeg",), "say ILSVRC2012_val_00000001.JPEG"),
        (("ILSVRC2012_val_99999999",), "say ILSVRC2012_val_0000"),
        (("any", "--split", "trian"), "say 'train'"),
        (("\x1b[31mno\nkey",), r"\x1b[31mno\nkey"),
    ],
)
def test_a_key_that_is_not_there_names_those_like_it(
    finished: Path, words: tuple[str, ...], said: str
) -> None:
    run = shardmill("show", finished, *words)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr
    assert "\x1b" not in run.stderr


def test_a_name_of_several_images_is_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        lay(tmp_path / "in" / folder / "same.jpg", encoded(len(folder)))
    where = ("--recursive", "--out", tmp_path / "out")
    assert shardmill("imagelist", tmp_path / "in", *where).returncode == 0
    run = shardmill("show", tmp_path / "out", "same")
    assert run.returncode == 2
    assert "2 images are called so" in run.stderr
    run = shardmill("show", tmp_path / "out", "a/same.jpg")
    assert run.returncode == 0
    assert "  class:    a" in run.stdout


def test_one_that_was_left_out_says_why(tmp_path: Path) -> None:
    drawn = draw_list(tmp_path / "drawn", images=3)
    drawn.add("9\t1\tbad.jpg")
    lay(drawn.root / "bad.jpg", b"no image")
    run = drawn.prepare_here(tmp_path / "out", "--on-bad-image", "skip")
    assert run.returncode == 4, run.stderr
    run = shardmill("show", tmp_path / "out", "bad.jpg")
    assert (run.returncode, run.stderr) == (4, "")
    assert f"left out of {SPLIT} (tfrecord)" in run.stdout
    assert "  reason:   " in run.stdout
    assert "4 of the image list" in run.stdout


@pytest.mark.parametrize("name", FORMATS)
def test_an_image_is_read_from_every_format(tmp_path: Path, name: str) -> None:
    drawn, out = of_list_in_all_formats()
    fact, saved = first_fact(out, name, SPLIT), tmp_path / "saved.jpg"
    run = shardmill("show", out, fact["key"], "--format", name, "--save", saved)
    assert (run.returncode, run.stderr) == (0, "")
    assert "  record:   " in run.stdout
    assert saved.read_bytes() == (drawn.root / fact["key"]).read_bytes()


def test_without_the_plan_the_record_says_the_class(small: RawSet, out: Path) -> None:
    prepared(small, out)
    key = first_fact(out)["key"]
    shutil.rmtree(out / ".shardmill/plans")
    run = shardmill("show", out, key)
    assert run.returncode == 0
    assert f"  class:    {key.partition('/')[0]} " in run.stdout
    run = shardmill("show", out, key, "--boxes")
    assert run.returncode == 2
    assert "was not kept" in run.stderr


def test_a_record_that_was_changed_is_not_shown(small: RawSet, out: Path) -> None:
    prepared(small, out)
    fact = first_fact(out)
    path = out / "tfrecord/train/current/train-00000-of-00004"
    content = bytearray(path.read_bytes())
    content[fact["length"] - 100] ^= 1
    path.write_bytes(content)
    run = shardmill("show", out, fact["key"])
    assert run.returncode == 1
    assert "expected" in run.stderr


def test_nothing_finished_is_no_matter_of_words(out: Path) -> None:
    run = shardmill("show", out, "any")
    assert (run.returncode, run.stdout) == (1, "")
    assert "not finished" in run.stderr
