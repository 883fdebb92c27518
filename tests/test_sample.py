from __future__ import annotations

import gzip
import hashlib
import io
import random
import re
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin
from support import RawSet

from pipeline import config, labels
from pipeline.errors import OutputConflict, UsageError
from pipeline.images.header import read_header
from pipeline.images.repair import needs_repair, repair
from pipeline.resources import shipped
from pipeline.sample import annotation_xml, draw_picture, draw_sample
from pipeline.sample_shapes import Encoding, Picture, class_style

TRAIN = "ILSVRC2012_img_train.tar"
VALIDATION = "ILSVRC2012_img_val.tar"
BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"
WNIDS = labels.load_table(shipped("config/ilsvrc2012/synsets.tsv")).wnids
ANNOTATION = b"""<annotation>
\t<folder>n01440764</folder>
\t<filename>n01440764_96</filename>
\t<source>
\t\t<database>ILSVRC_2012</database>
\t</source>
\t<size>
\t\t<width>500</width>
\t\t<height>375</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
\t<object>
\t\t<name>n01440764</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>34</xmin>
\t\t\t<ymin>128</ymin>
\t\t\t<xmax>430</xmax>
\t\t\t<ymax>305</ymax>
\t\t</bndbox>
\t</object>
</annotation>
"""


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        files = [(member.name, tar.extractfile(member)) for member in tar if member.isfile()]
        return {name: stream.read() for name, stream in files if stream is not None}


def train_images(raw: Path) -> dict[str, bytes]:
    """Name -> bytes of every training image."""
    found: dict[str, bytes] = {}
    for class_tar in members((raw / TRAIN).read_bytes()).values():
        found |= members(class_tar)
    return found


def picture(number: int, encoding: Encoding = "usual") -> Picture:
    wnid = WNIDS[number * 37 % 1000]
    return draw_picture(random.Random(f"test {number}"), wnid, "words", encoding=encoding)


def pixels(data: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(np.int64)


def is_progressive(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        return bool(image.info.get("progressive"))


def is_full_chroma(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        return (
            isinstance(image, JpegImagePlugin.JpegImageFile)
            and image.mode == "RGB"
            and JpegImagePlugin.get_sampling(image) == 0
        )


ODD: dict[Encoding, Callable[[bytes], bool]] = {
    "gray": lambda data: read_header(data).mode == "L",
    "progressive": is_progressive,
    "full-chroma": is_full_chroma,
    "cmyk": lambda data: needs_repair(read_header(data)) == "cmyk",
    "png": lambda data: needs_repair(read_header(data)) == "png",
}


def test_the_same_arguments_draw_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    drawn = []
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        draw_sample(
            tmp_path / folder, train_classes=2, images_per_class=3, validation_images=2, seed=seed
        )
        drawn.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 7
    changed = {name for name, content in drawn[0].items() if content != drawn[2][name]}
    assert changed >= {TRAIN, VALIDATION, BOXES, "sample.toml"}


def test_the_train_archive_is_a_tar_of_class_tars(sample: RawSet) -> None:
    class_tars = members((sample.raw / TRAIN).read_bytes())
    assert len(class_tars) == 8
    for name, content in class_tars.items():
        wnid = name.removesuffix(".tar")
        assert wnid in WNIDS
        images = list(members(content))
        assert len(images) == 12
        matches = [re.fullmatch(rf"{wnid}_([1-9]\d*)\.JPEG", image) for image in images]
        numbers = sorted(int(match[1]) for match in matches if match)
        assert len(numbers) == 12
        assert min(np.diff(numbers)) > 1


def test_the_validation_archive_is_flat_and_out_of_name_order(sample: RawSet) -> None:
    names = list(members((sample.raw / VALIDATION).read_bytes()))
    assert sorted(names) == [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 25)]
    assert names != sorted(names)


def test_the_configuration_describes_what_was_drawn(sample: RawSet) -> None:
    found = config.load(sample.config)
    assert {archive.file for archive in found.archives.values()} == {TRAIN, VALIDATION, BOXES}
    for archive in found.archives.values():
        content = (sample.raw / archive.file).read_bytes()
        assert archive.bytes == len(content)
        assert archive.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()
    table = labels.load_table(found.label_table)
    assert table.wnids == WNIDS
    train, validation = found.splits["train"], found.splits["validation"]
    assert (train.shards, validation.shards, validation.images) == (8, 2, 24)
    drawn = Counter(name.partition("_")[0] for name in train_images(sample.raw))
    assert labels.load_counts(str(train.counts), table) == drawn
    assert validation.labels is not None
    truth = labels.load_list(validation.labels, table)
    assert Counter(truth) == dict.fromkeys(drawn, 3)


def test_there_are_never_more_shards_than_images(tmp_path: Path) -> None:
    path = draw_sample(tmp_path, train_classes=1, images_per_class=2, validation_images=1)
    found = config.load(path)
    assert [found.splits[split].shards for split in ("train", "validation")] == [2, 1]


def test_every_training_image_has_an_annotation_of_its_size(sample: RawSet) -> None:
    annotations = members(gzip.decompress((sample.raw / BOXES).read_bytes()))
    images = train_images(sample.raw)
    stems = {name.removesuffix(".JPEG") for name in images}
    assert set(annotations) == {f"{stem.partition('_')[0]}/{stem}.xml" for stem in stems}
    for name, content in annotations.items():
        root = ET.fromstring(content)  # noqa: S314
        stem = name.partition("/")[2].removesuffix(".xml")
        header = read_header(images[f"{stem}.JPEG"])
        assert root.findtext("filename") == stem
        assert int(root.findtext("size/width", "")) == header.width
        assert int(root.findtext("size/height", "")) == header.height
        assert 1 <= len(root.findall("object")) <= 3


def test_an_annotation_is_laid_out_as_the_real_ones() -> None:
    drawn = Picture(b"", 500, 375, ((34, 128, 430, 305),))
    assert annotation_xml("n01440764", "n01440764_96", drawn) == ANNOTATION


@pytest.mark.parametrize("number", range(24))
def test_the_boxes_are_the_extremes_of_the_coloured_pixels(number: int) -> None:
    drawn = picture(number, "png")
    rgb = pixels(drawn.encoded)
    assert rgb.shape == (drawn.height, drawn.width, 3)
    coloured = rgb.max(axis=-1) - rgb.min(axis=-1) > 75  # the ground and the lettering are muted
    inside = np.zeros_like(coloured)
    for left, top, right, bottom in drawn.boxes:
        inside[top - 1 : bottom + 1, left - 1 : right + 1] = True
        box = coloured[top:bottom, left:right]
        for edge in (box[:2], box[-2:], box[:, :2], box[:, -2:]):
            assert edge.any()
    assert not (coloured & ~inside).any()


@pytest.mark.parametrize("encoding", ODD)
def test_one_training_image_of_each_odd_kind_is_there(sample: RawSet, encoding: Encoding) -> None:
    odd = [name for name, data in train_images(sample.raw).items() if ODD[encoding](data)]
    assert len(odd) == 1


def test_without_quirks_every_image_is_usual(small: RawSet) -> None:
    every = train_images(small.raw) | members((small.raw / VALIDATION).read_bytes())
    assert len(every) == 18
    for data in every.values():
        assert read_header(data).mode == "RGB"
        assert not any(odd(data) for odd in ODD.values())


@pytest.mark.parametrize("encoding", ["cmyk", "png"])
def test_an_odd_image_once_repaired_shows_what_the_usual_one_shows(encoding: Encoding) -> None:
    usual, odd = picture(1), picture(1, encoding)
    assert usual.boxes == odd.boxes
    assert np.abs(pixels(repair(odd.encoded)) - pixels(usual.encoded)).mean() < 5


def test_no_shape_comes_again_before_every_shape_has_come(sample: RawSet) -> None:
    drawn = {name.partition("_")[0] for name in train_images(sample.raw)}
    assert len({class_style(wnid).shape for wnid in drawn}) == len(drawn)


def test_archives_that_are_not_a_sample_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / VALIDATION).write_bytes(b"the real one")
    with pytest.raises(OutputConflict) as caught:
        draw_sample(tmp_path, train_classes=1, images_per_class=1, validation_images=1)
    assert caught.value.file == str(tmp_path / VALIDATION)
    assert [path.name for path in tmp_path.iterdir()] == [VALIDATION]
    assert (tmp_path / VALIDATION).read_bytes() == b"the real one"


def test_an_interrupted_draw_is_finished_and_a_finished_one_drawn_anew(tmp_path: Path) -> None:
    def draw(seed: int) -> bytes:
        path = draw_sample(
            tmp_path, train_classes=1, images_per_class=1, validation_images=1, seed=seed
        )
        return path.read_bytes()

    first = draw(0)
    (tmp_path / "sample.toml").unlink()
    (tmp_path / VALIDATION).unlink()
    assert draw(0) == first
    assert draw(1) != first


@pytest.mark.parametrize(
    "argument",
    [
        {"train_classes": 0},
        {"train_classes": 1001},
        {"images_per_class": 0},
        {"images_per_class": 1301},
        {"validation_images": 0},
        {"validation_images": 50001},
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, argument: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(argument))):
        draw_sample(tmp_path / "raw", **argument)  # type: ignore[arg-type]
    assert not (tmp_path / "raw").exists()
