"""torchvision's ImageFolder opens the extracted tree as it is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from support import ROOT, RawSet, prepare

READER = Path(__file__).with_name("readers") / "read_imagefolder.py"
PYTHON = os.environ.get("SHARDMILL_TORCHVISION_PYTHON", str(ROOT / ".venv-torchvision/bin/python"))
TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
EXTRACT = ("--extract", "--until", "extract", "--no-boxes")


def members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file in a tar."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                yield member.name, content.read()


def train_images(raw_set: RawSet) -> dict[str, bytes]:
    """``<wnid>/<name>`` -> image, by the names of the class tars."""
    return {
        f"{class_tar.removesuffix('.tar')}/{name}": content
        for class_tar, inner in members((raw_set.raw / TRAIN).read_bytes())
        for name, content in members(inner)
    }


def validation_images(raw_set: RawSet) -> dict[str, bytes]:
    """``<wnid>/<name>`` -> image, by the label list, whose line n is the WNID of image n."""
    wnids = (raw_set.config.parent / "validation_synsets.txt").read_text().split()
    return {
        f"{wnids[int(name[15:23]) - 1]}/{name}": content
        for name, content in members((raw_set.raw / VALIDATION).read_bytes())
    }


def expected(images: dict[str, bytes]) -> dict[str, object]:
    """What the reader should find: targets are ranks among the folders' names."""
    classes = sorted({path.partition("/")[0] for path in images})
    return {
        "length": len(images),
        "classes": classes,
        "class_to_idx": {wnid: rank for rank, wnid in enumerate(classes)},
        "samples": [
            [path, classes.index(path.partition("/")[0]), decoded_size(images[path])]
            for path in sorted(images)
        ],
    }


def decoded_size(content: bytes) -> list[int]:
    """Width and height of an image."""
    with Image.open(io.BytesIO(content)) as image:
        return list(image.size)


@pytest.mark.parametrize(
    ("folder", "images"), [("train", train_images), ("val", validation_images)]
)
def test_image_folder_finds_every_image_under_the_rank_of_its_class(
    raw_set: RawSet, out: Path, folder: str, images: Callable[[RawSet], dict[str, bytes]]
) -> None:
    assert prepare(raw_set, out, *EXTRACT).returncode == 0
    run = subprocess.run(
        [PYTHON, READER, out / folder], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == expected(images(raw_set))
