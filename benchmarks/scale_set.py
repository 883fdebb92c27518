"""Makes sets of ILSVRC2012's shape and number of images, of tiny drawings, in half a minute."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from PIL import Image

from pipeline.catalog.classes import LabelTable
from pipeline.resources import shipped
from pipeline.sample.annotations import DrawnAnnotation, DrawnObject, annotation_xml
from pipeline.sources.ilsvrc2012 import label_files as labels

TRAIN_IMAGES, VALIDATION_IMAGES = 1_281_167, 50_000
_ANNOTATED = 0.425  # of ILSVRC2012's training images: 544,546 of 1,281,167
_DISTINCT = 61  # drawings; no divisor of the size of a class
_SIDES = (8, 24)  # pixels
_BLOCK = 512
_CHECKSUM = slice(148, 156)
_END = bytes(2 * _BLOCK)
_FILES = {
    "train": "ILSVRC2012_img_train.tar",
    "validation": "ILSVRC2012_img_val.tar",
    "boxes": "ILSVRC2012_bbox_train_v2.tar.gz",
}


@dataclass(frozen=True)
class ScaleSet:
    """A set of tiny drawings: where it lies, and how many there are of what."""

    raw: Path
    config: Path
    train: int
    validation: int
    annotated: int
    bytes: int


class _Archive:
    """A tar that is written and hashed at once, some ten times faster than by tarfile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._file = path.open("wb", buffering=1 << 20)

    def add(self, content: bytes) -> None:
        self.size += len(content)
        self._md5.update(content)
        self._file.write(content)

    def close(self) -> str:
        """Return the table of a configuration that describes it."""
        self.add(_END)
        self._file.close()
        return (
            f'file = "{self.path.name}"\nurl = "-"\n'
            f'bytes = {self.size}\nmd5 = "{self._md5.hexdigest()}"\n'
        )


def make(folder: Path, images: int) -> ScaleSet:
    """Write a set with `images` training images, each class by its share of ILSVRC2012."""
    table = labels.load_table(shipped("config/ilsvrc2012/synsets.tsv"))
    counts = _shares(table, images)
    numbered = shipped("config/ilsvrc2012/validation_synsets.txt").read_text().split()
    numbered = numbered[: max(1, VALIDATION_IMAGES * images // TRAIN_IMAGES)]
    folder.mkdir()
    drawings = [_entry_of(content) for content in tiny_images()]
    parts = {
        "train": _train(folder / _FILES["train"], counts, drawings),
        "validation": _validation(folder / _FILES["validation"], len(numbered), drawings),
    }
    annotated = {wnid: round(_ANNOTATED * count) for wnid, count in counts.items()}
    parts["boxes"] = _boxes(folder / _FILES["boxes"], annotated)
    (folder / "counts.tsv").write_text(
        "".join(f"{wnid}\t{count}\n" for wnid, count in counts.items())
    )
    (folder / "labels.txt").write_text("".join(f"{wnid}\n" for wnid in numbered))
    (folder / "synsets.tsv").write_bytes(shipped("config/ilsvrc2012/synsets.tsv").read_bytes())
    config = folder / "scale.toml"
    config.write_text(_config(parts, len(numbered)))
    size = sum((folder / name).stat().st_size for name in _FILES.values())
    total = sum(annotated.values())
    return ScaleSet(folder, config, sum(counts.values()), len(numbered), total, size)


def _shares(table: LabelTable, images: int) -> dict[str, int]:
    real = [int(text) for text in table.columns["num_train_images"]]
    ends, done = [], 0
    for count in real:
        done += count
        ends.append(done * images // sum(real))
    return {
        wnid: stop - start
        for wnid, start, stop in zip(table.class_ids, [0, *ends], ends, strict=False)
        if stop > start
    }


def tiny_images() -> Iterator[bytes]:
    """Yield some different JPEGs of a few hundred bytes."""
    chance = random.Random(0)
    for _ in range(_DISTINCT):
        size = chance.randint(*_SIDES), chance.randint(*_SIDES)
        image = Image.frombytes("RGB", size, chance.randbytes(3 * size[0] * size[1]))
        content = io.BytesIO()
        image.save(content, "JPEG", quality=85)
        yield content.getvalue()


def _entry_of(content: bytes) -> tuple[bytes, bytes]:
    """Return header and padded content of a member that lacks its name."""
    member = tarfile.TarInfo()
    member.size = len(content)
    header = member.tobuf(tarfile.USTAR_FORMAT)
    return header, content + bytes(-len(content) % _BLOCK)


def _named(entry: tuple[bytes, bytes], name: str) -> bytes:
    """Return a member: the header with its name and, the name being short, its checksum."""
    header = bytearray(entry[0])
    header[: len(name)] = name.encode()
    header[_CHECKSUM] = b" " * 8
    header[_CHECKSUM] = b"%06o\0 " % sum(header)
    return bytes(header) + entry[1]


def _train(path: Path, counts: dict[str, int], drawings: list[tuple[bytes, bytes]]) -> str:
    archive, endless = _Archive(path), cycle(drawings)
    for wnid, count in counts.items():
        members = [_named(next(endless), f"{wnid}_{7 * n + 1}.JPEG") for n in range(count)]
        content = b"".join([*members, _END])
        archive.add(_named(_entry_of(content), f"{wnid}.tar"))
    return archive.close()


def _validation(path: Path, images: int, drawings: list[tuple[bytes, bytes]]) -> str:
    archive, endless = _Archive(path), cycle(drawings)
    for number in range(1, images + 1):
        archive.add(_named(next(endless), f"ILSVRC2012_val_{number:08}.JPEG"))
    return archive.close()


def _boxes(path: Path, annotated: dict[str, int]) -> str:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        assert tar.fileobj is not None
        for wnid, count in annotated.items():
            for number in range(count):
                stem = f"{wnid}_{7 * number + 1}"
                corners = (number % 50, number % 40, 60 + number % 100, 50 + number % 90)
                drawn = DrawnAnnotation(wnid, stem, 500, 375, (DrawnObject(wnid, corners),))
                entry = _named(_entry_of(annotation_xml(drawn)), f"{wnid}/{stem}.xml")
                tar.fileobj.write(entry)
    md5 = hashlib.file_digest(path.open("rb"), "md5").hexdigest()
    return f'file = "{path.name}"\nurl = "-"\nmd5 = "{md5}"\n'


def _config(parts: dict[str, str], validation: int) -> str:
    archives = "".join(f"[archives.{name}]\n{text}" for name, text in parts.items())
    return f"""dataset = "scale"
[labels]
table = "synsets.tsv"
{archives}
[splits.train]
archive = "train"
layout = "class-tars"
counts = "counts.tsv"
boxes = "boxes"
shards = 1024
[splits.validation]
archive = "validation"
layout = "flat"
member = 'ILSVRC2012_val_(\\d{{8}})\\.JPEG'
labels = "labels.txt"
images = {validation}
shards = 128
"""
