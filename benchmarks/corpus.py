"""Makes the set that everything is measured on: ILSVRC2012's shape, real photographs cycled."""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from pipeline.errors import BadImage
from pipeline.images import header, repair
from pipeline.resources import shipped
from pipeline.sample.annotations import DEFECTS, DrawnAnnotation, DrawnObject, annotation_xml, spoil
from pipeline.sample.draw import draw_sample
from pipeline.sources.ilsvrc2012 import label_files as labels

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 100
SHARDS = 64
_TRAIN, _VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
_BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"
_MORE_BOXES = 0.115  # the chance of one more: ILSVRC2012 has 615,299 in 544,546 annotations
_SPOILT = 100  # of so many annotations, one
_CONFIG = """dataset = "benchmark"
[labels]
table = "synsets.tsv"
[archives.train]
file = "{train}"
url = "-"
bytes = {bytes}
md5 = "{md5}"
[splits.train]
archive = "train"
layout = "class-tars"
counts = "counts.tsv"
shards = {shards}
"""
_BOXES_CONFIG = """boxes = "boxes"
[archives.boxes]
file = "{file}"
url = "-"
bytes = {bytes}
md5 = "{md5}"
"""


def check_counts(parser: argparse.ArgumentParser, rounds: int, *images: int) -> None:
    """End the program unless there are rounds, and images for each class of every corpus."""
    if rounds < 1 or any(count < CLASSES or count % CLASSES for count in images):
        parser.error(f"numbers of images must be multiples of {CLASSES}, --rounds 1 or more")


@contextmanager
def work_folders() -> Iterator[tuple[Path, Path]]:
    """Give a folder on the disk for what is read, and one in memory, if it can be, for outputs."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    memory = Path("/dev/shm")  # noqa: S108 - what is measured is the programs, and not the disk
    with (
        tempfile.TemporaryDirectory(dir=build) as disk,
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else build) as ram,
    ):
        yield Path(disk), Path(ram)


@dataclass(frozen=True)
class Corpus:
    """A raw set and the same images as files.

    Attributes:
        raw: folder of the train archive, a tar of class tars.
        config: the configuration that describes it.
        tree: the same images as ``<wnid>/<name>.JPEG``, for peers that read files.
        images: how many there are.
        distinct: how many different photographs they were made of.
        origin: where those are from.
    """

    raw: Path
    config: Path
    tree: Path
    images: int
    distinct: int
    origin: str

    @property
    def archive(self) -> Path:
        """The train archive."""
        return self.raw / _TRAIN

    @property
    def boxes(self) -> Path:
        """The archive of annotations, if `annotate` has made it."""
        return self.raw / _BOXES

    @property
    def bytes(self) -> int:
        """Size of the train archive."""
        return self.archive.stat().st_size

    @property
    def summary(self) -> str:
        """How many images and GB there are, and of which photographs, in words."""
        volume = f"{self.images:,} images, {self.bytes / 1e9:.2f} GB"
        return f"{volume}, of {self.distinct} {self.origin}"


def make(folder: Path, images: int) -> Corpus:
    """Write the set below `folder`, synced, as many images in every class.

    Photographs that every program would re-encode (CMYK, PNG) are not taken: ILSVRC2012 has 23
    in 1.28 million, and a cycled one would come again and again.
    """
    raw, tree = folder / "raw", folder / "tree"
    raw.mkdir()
    origin, originals = photographs(folder)
    table = labels.load_table(shipped("config/ilsvrc2012/synsets.tsv"))
    wnids = table.class_ids[:: len(table.class_ids) // CLASSES][:CLASSES]
    per_class = images // CLASSES
    endless = cycle(originals)
    with tarfile.open(raw / _TRAIN, "w", format=tarfile.USTAR_FORMAT) as outer:
        for wnid in wnids:
            members = {
                f"{wnid}_{7 * number + 1}.JPEG": content
                for number, content in enumerate(islice(endless, per_class))
            }
            _write_files(tree / wnid, members)
            _add(outer, f"{wnid}.tar", _tar(members))
    one = {"ILSVRC2012_val_00000001.JPEG": originals[0]}  # TFDS opens it whatever it prepares
    (raw / _VALIDATION).write_bytes(_tar(one))
    _write_config(raw, wnids, per_class)
    os.sync()
    return Corpus(raw, raw / "benchmark.toml", tree, per_class * CLASSES, len(originals), origin)


def annotate(corpus: Corpus, annotations: int) -> Path:
    """Write an archive of annotations beside the images, as many in every class, synced.

    They are drawn by chance, of other images than the set's, and a few have the defects that
    published ones have.

    Returns:
        The set's configuration with that archive in it, good for the step `boxes` alone.
    """
    archive, config = corpus.boxes, corpus.raw / "boxes.toml"
    wnids = sorted(folder.name for folder in corpus.tree.iterdir())
    with tarfile.open(archive, "w:gz", format=tarfile.USTAR_FORMAT, compresslevel=6) as tar:
        for name, content in _annotations(wnids, annotations // CLASSES):
            _add(tar, name, content)
    boxes = _BOXES_CONFIG.format(file=_BOXES, bytes=archive.stat().st_size, md5=md5(archive))
    config.write_text(corpus.config.read_text() + boxes)
    os.sync()
    return config


def _annotations(wnids: Sequence[str], per_class: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and XML of every annotation, class by class."""
    chance = random.Random(0)
    for number in range(len(wnids) * per_class):
        wnid, place = wnids[number // per_class], number % per_class
        stem = f"{wnid}_{7 * place + 1}"
        width, height = chance.choice([(500, 375), (500, 333), (375, 500), (500, 500)])
        objects: list[DrawnObject] = []
        while not objects or chance.random() < _MORE_BOXES:
            left, right = sorted(chance.sample(range(width + 1), 2))
            top, bottom = sorted(chance.sample(range(height + 1), 2))
            objects.append(DrawnObject(wnid, (left, top, right, bottom)))
        annotation = DrawnAnnotation(wnid, stem, width, height, tuple(objects))
        if number % _SPOILT == 0:
            defect = DEFECTS[number // _SPOILT % len(DEFECTS)]
            annotation = spoil(annotation, defect, common_name="a dog", other_class=wnids[-1])
        yield f"{wnid}/{stem}.xml", annotation_xml(annotation)


def photographs(folder: Path) -> tuple[str, list[bytes]]:
    """Return photographs and where they are from: the mini set's, or else drawn ones."""
    given = os.environ.get("SHARDMILL_TEST_DATA")
    data = Path(given) if given else ROOT.parent / "shared" / "data"
    source, origin = data / "ilsvrc2012-mini", "photographs of ILSVRC2012"
    if not source.is_dir():
        source, origin = folder / "sample", "images of the drawn sample"
        draw_sample(source)
    found = [*_class_tars(source / _TRAIN), *_members(source / _VALIDATION)]
    return origin, [content for content in found if _usual(content)]


def _usual(content: bytes) -> bool:
    try:
        return repair.needs_repair(header.read_header(content)) is None
    except BadImage:
        return False


def _class_tars(path: Path) -> Iterator[bytes]:
    for class_tar in _members(path):
        with tarfile.open(fileobj=io.BytesIO(class_tar)) as inner:
            yield from _contents(inner)


def _members(path: Path) -> Iterator[bytes]:
    with tarfile.open(path) as tar:
        yield from _contents(tar)


def _contents(tar: tarfile.TarFile) -> Iterator[bytes]:
    for member in tar:
        content = tar.extractfile(member) if member.isfile() else None
        if content is not None:
            yield content.read()


def _tar(members: dict[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            _add(tar, name, content)
    return output.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _write_files(folder: Path, members: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, content in members.items():
        (folder / name).write_bytes(content)


def _write_config(raw: Path, wnids: tuple[str, ...], per_class: int) -> None:
    shutil.copy(shipped("config/ilsvrc2012/synsets.tsv"), raw / "synsets.tsv")
    (raw / "counts.tsv").write_text("".join(f"{wnid}\t{per_class}\n" for wnid in wnids))
    archive = raw / _TRAIN
    size = archive.stat().st_size
    text = _CONFIG.format(train=_TRAIN, bytes=size, md5=md5(archive), shards=SHARDS)
    (raw / "benchmark.toml").write_text(text)


def md5(path: Path) -> str:
    """Return the MD5 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()
