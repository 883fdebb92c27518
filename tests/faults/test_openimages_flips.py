"""A single flipped bit anywhere in a finished output of Open Images is found, and its file named.

SHARDMILL_FLIPS says how many bits are flipped, a tenth of it here, SHARDMILL_SEED which.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
from support import shardmill

from pipeline.state.standing import output_folders
from pipeline.verification.findings import Finding
from pipeline.verification.reading import Verification

FLIPS = int(os.environ.get("SHARDMILL_FLIPS", "200")) // 10
CLASSES = ("--class", "Bear", "--class", "Waffle", "--class", "Handgun", "--limit", "6")
ROWS = ("--masks", "--mask-size", "image", "--image-labels", "--recipe")
SHARDS = ("--format", "tfrecord", "--format", "recordio", "--format", "webdataset", "--joined")
SPREAD = ("--labels", "detection", "--shards", "train=2")
EXPORTS = (
    *("annotations", "attribution", "class-tree", "coco", "croissant"),
    *("label-map", "parquet", "voc", "yolo"),
)
STATE = ".shardmill"
SOURCE = f"{STATE}/openimages"
KINDS = {
    "images": ("images/*/*.jpg",),
    "masks": ("masks/*/*.png",),
    "masks at the size of images": ("masks_image_size/*/*.png",),
    "TFRecord": ("tfrecord/*/*/*-of-*", "tfrecord/*/*/idx/*"),
    "RecordIO": tuple(f"recordio/*/*/*.{end}" for end in ("rec", "idx", "lst", "tsv")),
    "WebDataset": ("webdataset/*/*/*.tar", "webdataset/*/*/idx/*", "webdataset/*/*/index.json"),
    "manifests": ("*/*/*/manifest.json",),
    "facts": ("*/*/*/facts.parquet",),
    "lists for the downloader": ("downloader_IDs_for_*.txt",),
    "rows of classes": ("csv/*/*.csv",),
    "failures": ("failures/*",),
    "annotations": ("annotations/*.parquet",),
    "attribution": ("attribution/*.csv",),
    "class folders": ("class_folders/*/*/*.jpg",),
    "COCO": ("coco/*.json",),
    "VOC": ("voc/Annotations/*/*.xml",),
    "lists of VOC": ("voc/ImageSets/Main/*.txt", "voc/labelmap.txt"),
    "YOLO": ("labels/*/*.txt",),
    "lists of YOLO": ("yolo_*.txt", "data.yaml"),
    "whole set": ("croissant.json", "metadata.parquet", "label_map.pbtxt"),
    "lists": ("lists/*",),
    "marks of products": (f"{STATE}/products/*.json",),
    "listings of small files": (f"{STATE}/products/*.parquet",),
    "marks of shards": (f"{STATE}/shards/*/*",),
    "catalogs and plans": (f"{STATE}/catalogs/*", f"{STATE}/plans/*"),
    "fingerprints of images": (f"{STATE}/sources/*/*",),
    "jobs": (f"{STATE}/job.json", f"{STATE}/jobs/*"),
    "published files": (f"{SOURCE}/files/*", f"{SOURCE}/archives/*"),
    "selections": (f"{SOURCE}/selections/*/*", f"{SOURCE}/requests/*"),
    "tables of images": (f"{SOURCE}/images/*/*",),
    "tables of masks": (f"{SOURCE}/masks/*/*", f"{SOURCE}/masks_image_size/*/*"),
    "marks of recipes and failures": (f"{SOURCE}/recipes/*/*", f"{SOURCE}/failures/*"),
}
UNSEALED = (f"{STATE}/runs/*/*", f"{STATE}/*.lock")
"""What commands leave for people, and locks: nothing relies on their content."""


@dataclass(frozen=True)
class Finished:
    """A finished output, and the files of each kind in it that have content."""

    out: Path
    files: dict[str, list[Path]]


def files_of(out: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Return the files of a kind, each once: none through the links `current`."""
    paths = {path for pattern in patterns for path in out.glob(pattern)}
    return sorted(path for path in paths if path.is_file() and "current" not in path.parts)


@pytest.fixture(scope="module")
def finished(openimages: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    out = tmp_path_factory.mktemp("openimages-flips") / "out"
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml")
    exports = [word for name in EXPORTS for word in ("--export", name)]
    run = shardmill(
        *("openimages", *where, *CLASSES, *ROWS, *SHARDS, *SPREAD, *exports, "--out", out)
    )
    assert run.returncode == 4, run.stdout + run.stderr  # images are absent
    return Finished(out, {kind: files_of(out, patterns) for kind, patterns in KINDS.items()})


@contextlib.contextmanager
def flipped(path: Path, chance: random.Random) -> Iterator[None]:
    """Flip one bit of a file for a while, anywhere in it."""
    content = path.read_bytes()
    place, bit = chance.randrange(len(content)), chance.randrange(8)
    path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
    try:
        yield
    finally:
        path.write_bytes(content)


def findings(out: Path) -> Iterator[Finding]:
    """Yield what reading everything back finds."""
    return Verification(out).findings(output_folders(out))


def flips(finished: Finished, chance: random.Random) -> Iterator[tuple[str, Path]]:
    """Yield without end a kind of file, each as often as any other, and a file of it."""
    full = {
        kind: [path for path in files if path.stat().st_size]
        for kind, files in finished.files.items()
    }
    while True:
        for kind in chance.sample(sorted(full), k=len(full)):
            yield kind, chance.choice(full[kind])


def test_every_file_of_the_output_is_of_a_kind_that_is_flipped(finished: Finished) -> None:
    everything = files_of(finished.out, ("**/*",))
    flipped_files = {path for files in finished.files.values() for path in files}
    assert set(everything) - flipped_files == set(files_of(finished.out, UNSEALED))
    assert all(any(path.stat().st_size for path in files) for files in finished.files.values())


def test_every_flipped_bit_is_found(finished: Finished, chance: random.Random) -> None:
    count, found = Counter[str](), Counter[str]()
    assert list(findings(finished.out)) == []
    missed = list[Path]()
    for kind, path in islice(flips(finished, chance), max(FLIPS, 1)):
        with flipped(path, chance):
            seen = any(finding.path == path for finding in findings(finished.out))
        count[kind] += 1
        found[kind] += seen
        missed += [] if seen else [path]
    lines = (f"{kind:32}{count[kind]:7}{found[kind]:7}" for kind in KINDS)
    total = f"{'all':32}{count.total():7}{found.total():7}"
    print("", f"{'':32}{'flips':>7}{'found':>7}", *lines, total, sep="\n")  # noqa: T201 - the result
    assert missed == []
