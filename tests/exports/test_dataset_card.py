"""The card beside shards of Hugging Face's layout: it names the current files of every split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from commands import prepare, shardmill
from drawnlists import ListedSet, draw_list
from support import RawSet

from pipeline import manifest
from pipeline.exports import dataset_card


def parts(out: Path) -> dict[str, Any]:
    """Return what stands between the marks of a card."""
    _, head, text = (out / "hf-parquet/README.md").read_text().split("---\n", 2)
    assert 'load_dataset("OUT/hf-parquet")' in text
    lines = [line.partition(": ") for line in head.splitlines()]
    return {key: json.loads(value) for key, _, value in lines}


def test_a_card_has_files_columns_and_sizes_and_follows_the_shards_unasked(
    raw_set: RawSet, out: Path
) -> None:
    form = ("--format", "hf-parquet", "--shards")
    for split in ("train", "validation"):
        assert prepare(raw_set, out, *form, f"{split}=2", "--split", split).returncode == 0
    first = parts(out)
    assert first["configs"] == [
        {"config_name": "default", "data_files": [files(out, s) for s in ("train", "validation")]}
    ]
    (info,) = first["dataset_info"]
    names = [column["name"] for column in info["features"]]
    assert names == ["image", "label", "objects", "width", "height"]
    for said in info["splits"]:
        counts = manifest.load(folder(out, said["name"]) / "manifest.json")["counts"]
        assert (said["num_examples"], said["num_bytes"]) == (counts["records"], counts["bytes"])
        listed = folder(out, said["name"]).glob(f"{said['name']}-*.parquet")
        assert len(list(listed)) == 2
    run = prepare(raw_set, out, *form, "train=2", "--split", "train", "--resize", 24)
    assert run.returncode == 0, run.stderr
    assert parts(out)["configs"][0]["data_files"][0] == files(out, "train")
    assert shardmill("verify", out).returncode == 0


def test_splits_of_other_columns_are_another_configuration_and_none_is_made_without_shards(
    tmp_path: Path, out: Path
) -> None:
    drawn: ListedSet = draw_list(tmp_path / "drawn", images=4)
    run = drawn.prepare_here(out, "--format", "recordio", "--export", "dataset-card")
    assert run.returncode == 2
    assert "--format hf-parquet" in run.stderr
    assert drawn.prepare_here(out, "--format", "hf-parquet").returncode == 0
    (info,) = parts(out)["dataset_info"]
    assert {"name": "labels", "sequence": "float32"} in info["features"]
    assert {"name": "label", "dtype": "int64"} in info["features"]


def folder(out: Path, split: str) -> Path:
    return (out / "hf-parquet" / split / "current").resolve()


def files(out: Path, split: str) -> dict[str, str]:
    return {"split": split, "path": f"{split}/{folder(out, split).name}/{split}-*.parquet"}


def test_a_name_has_no_character_that_yaml_does_not_take() -> None:
    odd = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFF)))
    text = dataset_card.as_yaml([odd, "Größe 😀"])
    assert json.loads(text) == [odd, "Größe 😀"]
    assert text.isprintable()
    assert "Größe 😀" in text
