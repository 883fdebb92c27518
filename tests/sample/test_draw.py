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
from publishedbox import PUBLISHED
from support import RawSet

from pipeline.annotations import bboxes
from pipeline.annotations.voc import Annotation, parse_annotation
from pipeline.errors import OutputConflict, UsageError
from pipeline.images.header import read_header
from pipeline.images.repair import needs_repair, repair
from pipeline.resources import shipped
from pipeline.sample.annotations import DEFECTS, Defect, annotate, annotation_xml
from pipeline.sample.draw import annotation_defects, draw_sample
from pipeline.sample.shapes import Drawing, Encoding, class_style, draw_image
from pipeline.sources.ilsvrc2012 import dataset as config
from pipeline.sources.ilsvrc2012 import label_files as labels

TRAIN = "ILSVRC2012_img_train.tar"
VALIDATION = "ILSVRC2012_img_val.tar"
TEST = "ILSVRC2012_img_test_v10102019.tar"
BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"
VALIDATION_BOXES = "ILSVRC2012_bbox_val_v3.tgz"
WNIDS = labels.load_table(shipped("config/ilsvrc2012/synsets.tsv")).class_ids


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


def annotation_files(archive: Path) -> dict[str, bytes]:
    return members(gzip.decompress(archive.read_bytes()))


def spoiled(sample: RawSet, defect: Defect) -> tuple[str, Annotation]:
    """Member and content of the annotation that has a defect."""
    (member,) = [name for name, found in annotation_defects().items() if found == defect]
    return member, parse_annotation(annotation_files(sample.raw / BOXES)[member])


def image(number: int, encoding: Encoding = "usual") -> Drawing:
    wnid = WNIDS[number * 37 % 1000]
    return draw_image(random.Random(f"test {number}"), wnid, "words", encoding=encoding)


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
            tmp_path / folder,
            train_classes=2,
            images_per_class=2,
            validation_images=2,
            test_images=1,
            seed=seed,
        )
        drawn.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 10
    changed = {name for name, content in drawn[0].items() if content != drawn[2][name]}
    assert changed >= {TRAIN, VALIDATION, TEST, BOXES, VALIDATION_BOXES, "sample.toml"}


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


def test_the_test_archive_holds_one_folder_without_labels(sample: RawSet) -> None:
    names = list(members((sample.raw / TEST).read_bytes()))
    assert sorted(names) == [f"test/ILSVRC2012_test_{n:08d}.JPEG" for n in range(1, 9)]
    found = config.load(sample.config).splits["test"]
    assert (found.archive, found.optional, found.images, found.shards) == (TEST, True, 8, 1)
    assert found.labels is None
    assert all(re.fullmatch(str(found.member), name) for name in names)


def test_a_sample_may_be_without_test_images(tmp_path: Path) -> None:
    path = draw_sample(
        tmp_path, train_classes=1, images_per_class=1, validation_images=1, test_images=0
    )
    assert not (tmp_path / TEST).exists()
    found = config.load(path)
    assert set(found.splits) == {"train", "validation"}
    assert set(found.optional) == {"validation-boxes"}


def test_the_configuration_describes_what_was_drawn(sample: RawSet) -> None:
    found = config.load(sample.config)
    assert {archive.file for archive in found.archives.values()} == {TRAIN, VALIDATION, BOXES}
    assert {archive.file for archive in found.optional.values()} == {VALIDATION_BOXES, TEST}
    for archive in (*found.archives.values(), *found.optional.values()):
        content = (sample.raw / archive.file).read_bytes()
        assert archive.bytes == len(content)
        assert archive.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()
    table = labels.load_table(found.label_table)
    assert table.class_ids == WNIDS
    train, validation = found.splits["train"], found.splits["validation"]
    assert (train.folder, validation.folder) == ("train", "val")
    assert [found.named(str(each.boxes)).file for each in (train, validation)] == [
        BOXES,
        VALIDATION_BOXES,
    ]
    assert (train.shards, validation.shards, validation.images) == (8, 2, 24)
    drawn = Counter(name.partition("_")[0] for name in train_images(sample.raw))
    assert labels.load_counts(str(train.counts), table) == drawn
    assert validation.labels is not None
    truth = labels.load_list(validation.labels, table)
    assert Counter(truth) == dict.fromkeys(drawn, 3)
    assert validation.blacklist is not None
    assert len(labels.load_numbers(validation.blacklist, 24)) == 3


def test_there_are_never_more_shards_than_images(tmp_path: Path) -> None:
    path = draw_sample(tmp_path, train_classes=1, images_per_class=2, validation_images=1)
    found = config.load(path)
    assert [found.splits[split].shards for split in ("train", "validation")] == [2, 1]


def test_every_training_image_has_an_annotation_of_its_size(sample: RawSet) -> None:
    found = annotation_files(sample.raw / BOXES)
    images = train_images(sample.raw)
    stems = {name.removesuffix(".JPEG") for name in images}
    assert set(found) == {f"{stem.partition('_')[0]}/{stem}.xml" for stem in stems}
    unnamed = {name for name, defect in annotation_defects().items() if defect == "unnamed"}
    for name, content in found.items():
        stem = name.partition("/")[2].removesuffix(".xml")
        check_annotation(content, "%s" if name in unnamed else stem, images[f"{stem}.JPEG"])


def test_every_validation_image_has_an_annotation_in_the_folder_val(sample: RawSet) -> None:
    found = annotation_files(sample.raw / VALIDATION_BOXES)
    images = members((sample.raw / VALIDATION).read_bytes())
    truth = (sample.raw / "validation_synsets.txt").read_text().split()
    assert len(found) == len(images) == 24
    for name, image in images.items():
        stem = name.removesuffix(".JPEG")
        content = found[f"val/{stem}.xml"]
        check_annotation(content, stem, image)
        assert b"<folder>val</folder>" in content
        wnid = truth[int(stem[-8:]) - 1]
        assert {each.name for each in parse_annotation(content).objects} == {wnid}


def check_annotation(content: bytes, filename: str, image: bytes) -> None:
    root = ET.fromstring(content)  # noqa: S314
    header = read_header(image)
    assert root.findtext("filename") == filename
    assert int(root.findtext("size/width", "")) == header.width
    assert int(root.findtext("size/height", "")) == header.height
    assert 1 <= len(root.findall("object")) <= 4


def test_an_annotation_is_laid_out_as_the_real_ones() -> None:
    drawn = Drawing(b"", 500, 375, ((34, 128, 430, 305),))
    annotation = annotate(drawn, "n01440764", "n01440764", "n01440764_96")
    assert annotation_xml(annotation) == PUBLISHED.encode()


def test_the_boxes_of_the_validation_images_are_read_back_whole(sample: RawSet) -> None:
    found = bboxes.collect(sample.raw / VALIDATION_BOXES)
    assert found.files.to_pylist() == [
        f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 25)
    ]
    assert found.report == ()
    assert found.xml_files == 24


def test_the_report_of_the_boxes_names_what_was_spoiled_and_nothing_else(sample: RawSet) -> None:
    found = bboxes.collect(sample.raw / BOXES)
    by_defect = {defect: member for member, defect in annotation_defects().items()}
    assert tuple(by_defect) == DEFECTS
    reported = {
        (row.file, row.object, row.kind, row.reason.partition(":")[0]) for row in found.report
    }
    assert reported == {
        (by_defect["misordered"], 1, "repaired", "misordered"),
        (by_defect["beyond"], 1, "repaired", "clamped"),
        (by_defect["outside"], 1, "dropped", "no area inside the picture"),
    }
    filtered = bboxes.collect(sample.raw / BOXES, class_filter=frozenset(WNIDS))
    # Of the one that is spoiled so, it is the second object: TensorFlow goes by the first.
    assert (filtered.skipped_boxes, filtered.skipped_files) == (0, 0)
    assert filtered.report == found.report


def test_a_spoiled_coordinate_is_no_whole_number(sample: RawSet) -> None:
    member, annotation = spoiled(sample, "fraction")
    corners = annotation.objects[0].corners
    assert corners
    content = annotation_files(sample.raw / BOXES)[member]
    assert f"<xmin>{corners[0]}.75</xmin>".encode() in content


def test_a_spoiled_name_is_a_word_and_a_stranger_is_of_another_class(sample: RawSet) -> None:
    _, annotation = spoiled(sample, "common name")
    assert re.fullmatch(r"[A-Za-z'-]+(_[A-Za-z'-]+)*", annotation.objects[0].name)
    assert annotation.objects[0].name not in WNIDS
    member, annotation = spoiled(sample, "other class")
    first, second, *_ = annotation.objects
    assert first.name == member.partition("/")[0]
    assert second.name in set(WNIDS) - {first.name}


def test_without_quirks_no_annotation_is_spoiled(small: RawSet) -> None:
    found = bboxes.collect(small.raw / BOXES, class_filter=frozenset(WNIDS))
    assert (len(found.files), found.report, found.skipped_boxes) == (12, (), 0)
    assert b"%s" not in b"".join(annotation_files(small.raw / BOXES).values())


@pytest.mark.parametrize("number", range(0, 24, 3))
def test_the_boxes_are_the_extremes_of_the_coloured_pixels(number: int) -> None:
    drawn = image(number, "png")
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
    every = train_images(small.raw)
    for archive in (VALIDATION, TEST):
        every |= members((small.raw / archive).read_bytes())
    assert len(every) == 26
    for data in every.values():
        assert read_header(data).mode == "RGB"
        assert not any(odd(data) for odd in ODD.values())


@pytest.mark.parametrize("encoding", ["cmyk", "png"])
def test_an_odd_image_once_repaired_shows_what_the_usual_one_shows(encoding: Encoding) -> None:
    usual, odd = image(1), image(1, encoding)
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
            tmp_path,
            train_classes=1,
            images_per_class=1,
            validation_images=1,
            test_images=0,
            seed=seed,
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
        {"test_images": -1},
        {"test_images": 100001},
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, argument: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(argument))):
        draw_sample(tmp_path / "raw", **argument)  # type: ignore[arg-type]
    assert not (tmp_path / "raw").exists()
