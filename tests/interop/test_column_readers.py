"""Hugging Face's datasets reads hf-parquet, and MosaicML's streaming mds: every image once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import shardmill
from drawnlists import draw_list, stored
from finishedoutputs import kept
from support import ROOT, RawSet

from pipeline.exports import dataset_card
from pipeline.sample.openimages import draw_openimages

READERS = Path(__file__).with_name("readers")
DATASETS = os.environ.get("SHARDMILL_DATASETS_PYTHON", str(ROOT / ".venv-datasets/bin/python"))
STREAMING = os.environ.get("SHARDMILL_MDS_PYTHON", str(ROOT / ".venv-mds/bin/python"))
OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
BOTH = ("--format", "hf-parquet", "--format", "mds")


def python(interpreter: str, reader: str, *arguments: object) -> Any:
    """Return what a reader prints, as JSON."""
    command = [interpreter, *map(str, (READERS / reader, *arguments))]
    run = subprocess.run(command, capture_output=True, text=True, env=OFFLINE, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def loaded(out: Path, cache: Path, config: str = "default") -> Any:
    """Return what datasets loads of an output by its card."""
    return python(DATASETS, "read_hf_parquet.py", cache, out / "hf-parquet", config)


def streamed(out: Path, split: str) -> Any:
    """Return what streaming reads of a split."""
    (found,) = python(STREAMING, "read_mds.py", (out / "mds" / split / "current").resolve())
    return found


@pytest.fixture(scope="module")
def output(sample: RawSet) -> Path:
    """A finished output of both formats: train with boxes, validation without."""
    return kept(sample, *BOTH, "--shards", "train=3").out


def test_datasets_finds_all_splits_by_the_card(output: Path, tmp_path: Path) -> None:
    found = loaded(output, tmp_path)
    assert found.keys() == {"train", "validation"}
    for split, read in found.items():
        written = list(stored(output, "hf-parquet", split))
        assert read["features"]["label"]["_type"] == "ClassLabel"
        assert len(read["features"]["label"]["names"]) == 1000
        for row, (said, image) in zip(read["rows"], written, strict=True):
            key, content, size = row.pop("image")
            assert content == hashlib.md5(image).hexdigest()
            assert size == [row["width"], row["height"]]
            assert (key, row) == (said["image"]["path"], {name: said[name] for name in row})  # type: ignore[index]
        assert read["streamed"] == [said["image"]["path"] for said, _ in written]  # type: ignore[index]
        assert any(row["objects"]["bbox"] for row in read["rows"]) == (split == "train")


def test_streaming_reads_every_sample_once(output: Path) -> None:
    for split in ("train", "validation"):
        found = streamed(output, split)
        written = [said for said, _ in stored(output, "mds", split)]
        assert found["every"] == sorted(str(said["key"]) for said in written)
        for sample, said in zip(found["samples"], written, strict=True):
            assert sample.pop("image")[:2] == [said["width"], said["height"]]
            assert sample == said


def test_labels_of_a_list_and_images_that_are_no_jpegs_come_through(
    tmp_path: Path, out: Path
) -> None:
    drawn = draw_list(tmp_path / "drawn")
    drawn.path.write_text(drawn.path.read_text().replace("\t3.000000\t", "\t3.0\t0.5\t"))
    assert drawn.prepare_here(out, *BOTH, "--shards", 2).returncode == 0
    (read,) = loaded(out, tmp_path / "cache").values()
    samples = {each["key"]: each for each in streamed(out, "images")["samples"]}
    assert len(samples) == len(read["rows"]) == 24
    for row in read["rows"]:
        sample = samples[row["image"][0]]
        assert (row["label"], row["labels"]) == (sample["label"], sample["labels"])
    assert {tuple(row["labels"]) for row in read["rows"]} == {(), (3.0, 0.5)}
    assert any(row["image"][0].endswith(".png") for row in read["rows"])


def test_described_objects_come_through_with_masks(tmp_path: Path, out: Path) -> None:
    draw_openimages(tmp_path / "drawn")
    where = ("--raw", tmp_path / "drawn/raw", "--config", tmp_path / "drawn/openimages.toml")
    what = ("--class", "Bear", "--class", "Waffle", "--masks", "--mask-size", "image")
    run = shardmill("openimages", *where, "--out", out, *what, *BOTH, "--labels", "detection")
    assert run.returncode == 4, run.stderr  # the bucket lacks some images
    for split, read in loaded(out, tmp_path / "cache").items():
        samples = {each["key"]: each for each in streamed(out, split)["samples"]}
        assert samples.keys() == {row["image"][0] for row in read["rows"]}
        for row in read["rows"]:
            sample, objects = samples[row["image"][0]], row["objects"]
            assert objects["category"] == sample["box_labels"]
            assert objects["class_id"] == sample["box_class_ids"]
            assert [mask[:2] for mask in objects["mask"]] == [m[:2] for m in sample["masks"]]
            for box, corners in zip(objects["bbox"], sample["boxes"], strict=True):
                side = (row["width"], row["height"])
                assert box[:2] == pytest.approx([corners[0] * side[0], corners[1] * side[1]], 1e-5)
                wide = (corners[2] - corners[0]) * side[0]
                assert box[2] == pytest.approx(wide, abs=1e-3)


def test_a_yaml_parser_reads_the_card_whatever_is_called_how() -> None:
    codes = (*range(0xD800), *range(0xE000, 0x10000), 0x10000, 0x1F600, 0x10FFFF)
    names = ["".join(map(chr, codes[at : at + 64])) for at in range(0, len(codes), 64)]
    read = yaml.load(f"names: {dataset_card.as_yaml(names)}\n", yaml.CSafeLoader)
    assert read == {"names": names}
