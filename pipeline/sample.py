"""A small data set in the shape of ILSVRC2012, drawn rather than photographed.

It has what the real archives have: a tar of class tars, a flat tar out of name order, boxes in
the XML layout of PASCAL VOC, and a few pictures that are not what their name says. The archives
are those of the real set by name, so a folder that holds others of these names is refused.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import random
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from pipeline import labels, resources, storage
from pipeline.errors import OutputConflict, UsageError
from pipeline.labels import LabelTable
from pipeline.sample_shapes import Encoding, Picture, class_style, draw_picture
from pipeline.storage import StagedFile

__all__ = ["annotation_xml", "draw_picture", "draw_sample"]

CONFIG = "sample.toml"
_TABLE = "config/ilsvrc2012/synsets.tsv"
_TRAIN = "ILSVRC2012_img_train.tar"
_VALIDATION = "ILSVRC2012_img_val.tar"
_BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"
_URL = "drawn by shardmill sample"
_TRAIN_SHARDS, _VALIDATION_SHARDS = 8, 2
_MAX_CLASSES, _MAX_PER_CLASS, _MAX_VALIDATION = 1000, 1300, 50000
_MAX_NUMBER = 30000
_MTIME = 1325376000  # 2012-01-01
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

[splits.train]
archive = "train"
layout = "class-tars"
counts = "counts.tsv"
shards = {train_shards}

[splits.validation]
archive = "validation"
layout = "flat"
member = 'ILSVRC2012_val_(\\d{{8}})\\.JPEG'
labels = "validation_synsets.txt"
images = {validation_images}
shards = {validation_shards}
"""
_ANNOTATION = """\
<annotation>
\t<folder>{wnid}</folder>
\t<filename>{stem}</filename>
\t<source>
\t\t<database>ILSVRC_2012</database>
\t</source>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
{objects}</annotation>
"""
_OBJECT = """\
\t<object>
\t\t<name>{wnid}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>{box[0]}</xmin>
\t\t\t<ymin>{box[1]}</ymin>
\t\t\t<xmax>{box[2]}</xmax>
\t\t\t<ymax>{box[3]}</ymax>
\t\t</bndbox>
\t</object>
"""
_ODD_ENCODINGS = tuple(encoding for encoding in get_args(Encoding) if encoding != "usual")


def draw_sample(
    raw: Path,
    *,
    train_classes: int = 8,
    images_per_class: int = 12,
    validation_images: int = 24,
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
        seed: other pictures for another seed.
        quirks: encode one training image each in gray, progressive, 4:4:4 and CMYK, and one
            as a PNG; with fewer than five images, the first of these.

    Returns:
        The path of the dataset configuration that describes it.

    Raises:
        UsageError: a number is out of its range.
        OutputConflict: the folder holds other archives of these names, and no sample.
    """
    _check("train_classes", train_classes, _MAX_CLASSES)
    _check("images_per_class", images_per_class, _MAX_PER_CLASS)
    _check("validation_images", validation_images, _MAX_VALIDATION)
    shipped = resources.shipped(_TABLE)
    table = labels.load_table(shipped)
    classes = _choose_classes(table, train_classes, seed)
    stems = {wnid: _stems(wnid, images_per_class, seed) for wnid in classes}
    odd = _odd_encodings(stems, seed) if quirks else {}
    train, boxes = _draw_train(table, stems, odd, seed)
    truth = _validation_labels(classes, validation_images, seed)
    files = {
        _TRAIN: train,
        _BOXES: boxes,
        _VALIDATION: _draw_validation(table, truth, seed),
        "synsets.tsv": storage.read_bytes(shipped),
        "counts.tsv": "".join(f"{wnid}\t{len(stems[wnid])}\n" for wnid in classes).encode(),
        "validation_synsets.txt": "".join(f"{wnid}\n" for wnid in truth).encode(),
    }
    files[CONFIG] = _config(files, len(classes) * images_per_class, len(truth)).encode()
    _publish(raw, files)
    return raw / CONFIG


def annotation_xml(wnid: str, stem: str, picture: Picture) -> bytes:
    """Return the boxes of a picture in the layout of ILSVRC2012's files (PASCAL VOC, tabs)."""
    objects = "".join(_OBJECT.format(wnid=wnid, box=box) for box in picture.boxes)
    return _ANNOTATION.format(
        wnid=wnid, stem=stem, width=picture.width, height=picture.height, objects=objects
    ).encode()


def _check(name: str, value: int, highest: int) -> None:
    if not 1 <= value <= highest:
        raise UsageError(
            f"{name} is out of its range", expected=f"1 to {highest}", found=str(value)
        )


def _rng(seed: int, subject: str) -> random.Random:
    return random.Random(f"{seed}/{subject}")  # noqa: S311 - drawing, no secret


def _choose_classes(table: LabelTable, count: int, seed: int) -> list[str]:
    """Choose classes, sorted; no shape comes again before every shape has come."""
    seen: Counter[str] = Counter()
    ranked = []
    for wnid in _rng(seed, "classes").sample(table.wnids, len(table.wnids)):
        shape = class_style(wnid).shape
        ranked.append((seen[shape], wnid))
        seen[shape] += 1
    ranked.sort(key=lambda entry: entry[0])
    return sorted(wnid for _, wnid in ranked[:count])


def _stems(wnid: str, count: int, seed: int) -> list[str]:
    """Names without suffix, in no order; no two numbers follow one another."""
    rng = _rng(seed, f"{wnid}/numbers")
    return [f"{wnid}_{number}" for number in rng.sample(range(1, _MAX_NUMBER, 2), count)]


def _odd_encodings(stems: Mapping[str, Sequence[str]], seed: int) -> dict[str, Encoding]:
    every = [stem for group in stems.values() for stem in group]
    chosen = _rng(seed, "quirks").sample(every, min(len(every), len(_ODD_ENCODINGS)))
    return dict(zip(chosen, _ODD_ENCODINGS, strict=False))


def _validation_labels(classes: Sequence[str], count: int, seed: int) -> list[str]:
    """The class of each validation image: as evenly as can be, in no order."""
    truth = [classes[number % len(classes)] for number in range(count)]
    _rng(seed, "validation").shuffle(truth)
    return truth


def _draw_train(
    table: LabelTable,
    stems: Mapping[str, Sequence[str]],
    odd: Mapping[str, Encoding],
    seed: int,
) -> tuple[bytes, bytes]:
    """Return the tar of class tars, and the compressed tar of annotations."""
    class_tars: dict[str, bytes] = {}
    annotations: dict[str, bytes | None] = {}
    for wnid, group in stems.items():
        words = table.words[table.index[wnid]]
        members = {}
        annotations[wnid] = None
        for stem in group:
            picture = draw_picture(_rng(seed, stem), wnid, words, encoding=odd.get(stem, "usual"))
            members[f"{stem}.JPEG"] = picture.encoded
            annotations[f"{wnid}/{stem}.xml"] = annotation_xml(wnid, stem, picture)
        class_tars[f"{wnid}.tar"] = _tar(members)
    return _tar(class_tars), gzip.compress(_tar(annotations), mtime=0)


def _draw_validation(table: LabelTable, truth: Sequence[str], seed: int) -> bytes:
    """Return the flat tar: the images of even number first, so that it is not in name order."""
    members = {}
    for number in sorted(range(1, len(truth) + 1), key=lambda number: number % 2):
        name = f"ILSVRC2012_val_{number:08d}"
        wnid = truth[number - 1]
        picture = draw_picture(_rng(seed, name), wnid, table.words[table.index[wnid]])
        members[f"{name}.JPEG"] = picture.encoded
    return _tar(members)


def _tar(members: Mapping[str, bytes | None]) -> bytes:
    """Return an uncompressed tar with the members in the order given; None makes a folder."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.mtime = _MTIME
            member.mode = 0o644 if content is not None else 0o755
            member.type = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return output.getvalue()


def _config(files: Mapping[str, bytes], train_images: int, validation_images: int) -> str:
    return _CONFIG.format(
        train=_archive(_TRAIN, files[_TRAIN]),
        validation=_archive(_VALIDATION, files[_VALIDATION]),
        boxes=_archive(_BOXES, files[_BOXES]),
        train_shards=min(_TRAIN_SHARDS, train_images),
        validation_shards=min(_VALIDATION_SHARDS, validation_images),
        validation_images=validation_images,
    )


def _archive(name: str, content: bytes) -> str:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return f'file = "{name}"\nurl = "{_URL}"\nbytes = {len(content)}\nmd5 = "{md5}"'


def _publish(raw: Path, files: Mapping[str, bytes]) -> None:
    """Publish the files together, the configuration last."""
    if storage.stat(raw / CONFIG) is None:
        for name, content in files.items():
            _refuse_other(raw / name, content)
    with contextlib.ExitStack() as stack:
        staged = [stack.enter_context(StagedFile(raw / name)) for name in files]
        for file, content in zip(staged, files.values(), strict=True):
            file.write(content)
        storage.publish(*staged)


def _refuse_other(path: Path, content: bytes) -> None:
    present = storage.stat(path)
    if present is None:
        return
    if present.size == len(content) and storage.read_bytes(path) == content:
        return
    raise OutputConflict(
        "another file of this name is there, and it is not from a sample",
        file=str(path),
        remedy="draw the sample into a folder of its own",
    )
