"""``shardmill openimages --masks``: which archives are asked for, and masks as large as images."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import finishedoutputs
import inprocess
import pytest
from openimagesbucket import Bucket
from PIL import Image

from pipeline.sources.openimages.collection import collection_of
from pipeline.sources.openimages.masks import mask_shapes
from pipeline.state import status
from tasks.cli import collecting_report

pytest_plugins = ("openimagesfixtures",)

CLASSES = ("--class", "Bear", "--class", "Car", "--class", "/m/0cmf2")


def collect(
    monkeypatch: pytest.MonkeyPatch, out: Path, config: Path, *words: object
) -> inprocess.Ran:
    return inprocess.shardmill(
        monkeypatch, "openimages", "--out", out, "--config", config, "--masks", *words
    )


def archives(bucket: Bucket) -> set[str]:
    return {seen.path.rpartition("/")[2] for seen in bucket.requests(r"-masks-.\.zip")}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.png")}


def test_only_archives_with_wanted_masks_are_asked_for_and_each_once(
    openimages: Path, tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, config = tmp_path / "out", bucket.configure(openimages, tmp_path)
    first = ("--class", "Waffle", "--split", "train", "--until", "masks")
    assert collect(monkeypatch, out, config, *first).status == 0
    masks = files(out / "masks")
    assert masks
    assert archives(bucket) == {f"train-masks-{name[0]}.zip" for name in masks}
    assert len(archives(bucket)) < 16
    bucket.forget()
    assert collect(monkeypatch, out, config, *first).status == 0
    assert bucket.requests() == []
    second = ("--class", "Waffle", "--class", "Bear", "--split", "train", "--until", "masks")
    assert collect(monkeypatch, out, config, *second).status == 0
    more = files(out / "masks")
    assert masks.items() < more.items()
    assert archives(bucket) <= {f"train-masks-{name[0]}.zip" for name in more.keys() - masks.keys()}


def test_masks_as_large_as_their_images_lie_beside_the_stored_ones(
    openimages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, config = tmp_path / "out", openimages / "openimages.toml"
    words = (*CLASSES, "--raw", openimages / "raw", "--until", "images")
    collect(monkeypatch, out, config, *words)
    stored = files(out / "masks")
    assert not (out / "masks_image_size").exists()
    ran = collect(monkeypatch, out, config, *words, "--mask-size", "image")
    assert "masks of another shape than their images: " in ran.said
    assert "at the size of their images: " in ran.said
    assert files(out / "masks") == stored
    sized = 0
    for split in ("train", "validation", "test"):
        for name, content in files(out / "masks_image_size" / split).items():
            with Image.open(out / "images" / split / f"{name[:16]}.jpg") as image:
                assert Image.open(io.BytesIO(content)).size == image.size
            sized += 1
    assert sized > len(stored) // 2
    for command in ("verify", "clean"):
        monkeypatch.setattr("tasks.cli.checks.ProcessPoolExecutor", inprocess.PoolHere)
        checked = inprocess.shardmill(monkeypatch, command, out)
        assert "masks_image_size/" not in checked.said


@pytest.mark.parametrize(("until", "said"), [("images", True), ("shards", False)])
def test_masks_of_another_shape_are_looked_for_once_a_command(
    openimages: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    until: str,
    said: bool,
) -> None:
    """What is made of the images says it, too, at its end: each mask is read for it."""
    monkeypatch.setattr(mask_shapes, "misshapen", lambda *_, **__: iter(["one.png"]))
    job = status.recorded_jobs(finishedoutputs.of_openimages(openimages))[-1]
    job = replace(job, openimages=replace(job.openimages, until=until))
    collecting_report.complete(collection_of(job), "already complete")
    wrong = "masks of another shape than their images: 1, e.g. one.png"
    assert (wrong in capsys.readouterr().out) is said
