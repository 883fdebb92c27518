"""A small data set in the shape of ILSVRC2012, drawn rather than photographed.

It has what the real archives have: a tar of class tars, a flat tar out of name order, test images
without labels in a folder, boxes in the XML layout of PASCAL VOC, a few of them wrong, and a few
images that are not what their name says. The archives are those of the real set by name, so a
folder that holds others of these names is refused.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

from pipeline import resources, storage
from pipeline.catalog.classes import LabelTable
from pipeline.errors import UsageError
from pipeline.sample.annotations import DEFECTS, Defect
from pipeline.sample.archives import chance, draw_test, draw_train, draw_validation
from pipeline.sample.publishing import publish
from pipeline.sample.shapes import Encoding, class_style
from pipeline.sources.ilsvrc2012 import label_files as labels

CONFIG = "sample.toml"
_TABLE = "config/ilsvrc2012/synsets.tsv"
_TRAIN = "ILSVRC2012_img_train.tar"
_VALIDATION = "ILSVRC2012_img_val.tar"
_TEST = "ILSVRC2012_img_test_v10102019.tar"
_BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"
_VALIDATION_BOXES = "ILSVRC2012_bbox_val_v3.tgz"
_URL = "drawn by shardmill sample"
_TRAIN_SHARDS, _VALIDATION_SHARDS = 8, 2
_MAX_CLASSES, _MAX_PER_CLASS, _MAX_VALIDATION, _MAX_TEST = 1000, 1300, 50000, 100000
_MAX_NUMBER = 30000
_MAX_BLACKLISTED = 3
_CONFIG = """\
# A sample of ILSVRC2012's shape, drawn by shardmill.

dataset = "ilsvrc2012-sample"

[labels]
table = "synsets.tsv"

[archives.train]
{train}

[archives.validation]
{validation}

[archives.boxes]
{boxes}

[optional.validation-boxes]
{validation_boxes}

[splits.train]
archive = "train"
layout = "class-tars"
counts = "counts.tsv"
boxes = "boxes"
shards = {train_shards}

[splits.validation]
archive = "validation"
folder = "val"
layout = "flat"
member = 'ILSVRC2012_val_(\\d{{8}})\\.JPEG'
labels = "validation_synsets.txt"
images = {validation_images}
boxes = "validation-boxes"
blacklist = "validation_blacklist.txt"
shards = {validation_shards}
"""
_TEST_CONFIG = """
[optional.test]
{test}

[splits.test]
archive = "test"
layout = "flat"
member = '(?:test/)?ILSVRC2012_test_(\\d{{8}})\\.JPEG'
images = {test_images}
shards = 1
"""
_ODD_ENCODINGS = tuple(encoding for encoding in get_args(Encoding) if encoding != "usual")


def draw_sample(
    raw: Path,
    *,
    train_classes: int = 8,
    images_per_class: int = 12,
    validation_images: int = 24,
    test_images: int = 8,
    seed: int = 0,
    quirks: bool = True,
) -> Path:
    """Draw a sample of ILSVRC2012's shape into a folder.

    The bytes are a pure function of the arguments and of the codec. The whole sample is held in
    memory, some 32 KB for each image, and its files appear together.

    Args:
        raw: the folder, made if it is absent.
        train_classes: how many of the 1,000 classes, 1 to 1,000.
        images_per_class: training images in each, 1 to 1,300.
        validation_images: 1 to 50,000.
        test_images: up to 100,000; 0 leaves the test set out.
        seed: other images for another seed.
        quirks: encode one training image each in gray, progressive, 4:4:4 and CMYK, and one
            as a PNG; with fewer than five images, the first of these. Spoil some annotations
            too (`annotation_defects`).

    Returns:
        The path of the dataset configuration that describes it.

    Raises:
        UsageError: a number is out of its range.
        OutputConflict: the folder holds other archives of these names, and no sample.
    """
    _check("train_classes", train_classes, 1, _MAX_CLASSES)
    _check("images_per_class", images_per_class, 1, _MAX_PER_CLASS)
    _check("validation_images", validation_images, 1, _MAX_VALIDATION)
    _check("test_images", test_images, 0, _MAX_TEST)
    shipped = resources.shipped(_TABLE)
    table = labels.load_table(shipped)
    stems = _train_stems(table, train_classes, images_per_class, seed)
    odd = _odd_encodings(stems, seed) if quirks else {}
    defects = _defects(stems, seed) if quirks else {}
    train, boxes = draw_train(table, stems, odd, defects, seed)
    truth = _spread(stems, validation_images, seed, "validation")
    validation, validation_boxes = draw_validation(table, truth, seed)
    files = {
        _TRAIN: train,
        _BOXES: boxes,
        _VALIDATION: validation,
        _VALIDATION_BOXES: validation_boxes,
        "synsets.tsv": storage.read_bytes(shipped),
        "counts.tsv": _lines(f"{wnid}\t{len(group)}" for wnid, group in stems.items()),
        "validation_synsets.txt": _lines(truth),
        "validation_blacklist.txt": _lines(_blacklist(validation_images, seed)),
    }
    if test_images:
        files[_TEST] = draw_test(table, _spread(stems, test_images, seed, "test"), seed)
    files[CONFIG] = _config(files, train_classes * images_per_class, len(truth), test_images)
    publish(raw, files, CONFIG)
    return raw / CONFIG


def annotation_defects(
    *, train_classes: int = 8, images_per_class: int = 12, seed: int = 0
) -> dict[str, Defect]:
    """Return which training annotations `draw_sample` spoils, and how.

    Returns:
        Member of the archive of boxes -> its defect; each of `DEFECTS` once, or the first of
        them, one for each image.
    """
    table = labels.load_table(resources.shipped(_TABLE))
    stems = _train_stems(table, train_classes, images_per_class, seed)
    defects = _defects(stems, seed)
    return {f"{stem.partition('_')[0]}/{stem}.xml": defect for stem, defect in defects.items()}


def _check(name: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        raise UsageError(
            f"{name} is out of its range", expected=f"{lowest} to {highest}", found=str(value)
        )


def _train_stems(
    table: LabelTable, classes: int, images_per_class: int, seed: int
) -> dict[str, list[str]]:
    """Class -> names of its images without suffix."""
    chosen = _choose_classes(table, classes, seed)
    return {wnid: _stems(wnid, images_per_class, seed) for wnid in chosen}


def _choose_classes(table: LabelTable, count: int, seed: int) -> list[str]:
    """Choose classes, sorted; no shape comes again before every shape has come."""
    seen: Counter[str] = Counter()
    ranked = []
    for wnid in chance(seed, "classes").sample(table.class_ids, len(table.class_ids)):
        shape = class_style(wnid).shape
        ranked.append((seen[shape], wnid))
        seen[shape] += 1
    ranked.sort(key=lambda entry: entry[0])
    return sorted(wnid for _, wnid in ranked[:count])


def _stems(wnid: str, count: int, seed: int) -> list[str]:
    """Names without suffix, in no order; no two numbers follow one another."""
    rng = chance(seed, f"{wnid}/numbers")
    return [f"{wnid}_{number}" for number in rng.sample(range(1, _MAX_NUMBER, 2), count)]


def _odd_encodings(stems: Mapping[str, Sequence[str]], seed: int) -> dict[str, Encoding]:
    every = [stem for group in stems.values() for stem in group]
    chosen = chance(seed, "quirks").sample(every, min(len(every), len(_ODD_ENCODINGS)))
    return dict(zip(chosen, _ODD_ENCODINGS, strict=False))


def _defects(stems: Mapping[str, Sequence[str]], seed: int) -> dict[str, Defect]:
    every = [stem for group in stems.values() for stem in group]
    chosen = chance(seed, "defects").sample(every, min(len(every), len(DEFECTS)))
    return dict(zip(chosen, DEFECTS, strict=False))


def _spread(classes: Iterable[str], count: int, seed: int, split: str) -> list[str]:
    """The class of each image of a split: as evenly as can be, in no order."""
    among = list(classes)
    truth = [among[number % len(among)] for number in range(count)]
    chance(seed, split).shuffle(truth)
    return truth


def _blacklist(images: int, seed: int) -> list[int]:
    """Numbers of validation images, at most a third of them."""
    count = min(_MAX_BLACKLISTED, images // 3)
    return sorted(chance(seed, "blacklist").sample(range(1, images + 1), count))


def _lines(values: Iterable[object]) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()


def _config(
    files: Mapping[str, bytes], train_images: int, validation_images: int, test_images: int
) -> bytes:
    text = _CONFIG.format(
        train=_archive(_TRAIN, files[_TRAIN]),
        validation=_archive(_VALIDATION, files[_VALIDATION]),
        boxes=_archive(_BOXES, files[_BOXES]),
        validation_boxes=_archive(_VALIDATION_BOXES, files[_VALIDATION_BOXES]),
        train_shards=min(_TRAIN_SHARDS, train_images),
        validation_shards=min(_VALIDATION_SHARDS, validation_images),
        validation_images=validation_images,
    )
    if test_images:
        test = _archive(_TEST, files[_TEST])
        text += _TEST_CONFIG.format(test=test, test_images=test_images)
    return text.encode()


def _archive(name: str, content: bytes) -> str:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return f'file = "{name}"\nurl = "{_URL}"\nbytes = {len(content)}\nmd5 = "{md5}"'
