"""Asks for a finished part of Open Images again: ``python -m benchmarks.openimages_scale``.

Boxes of all 601 classes are drawn and selected by the command itself; what came of the images is
written as if they had been collected, and a file has a thousand names. What is measured then is the
selection, and what a set costs that is complete already: to collect, its status, a dry run, a run.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import xxhash
from PIL import Image

from benchmarks import measure, report
from benchmarks.corpus import ROOT
from benchmarks.list_scale import Asked, ask, run
from benchmarks.scale_set import tiny_images
from pipeline import manifest, storage
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.images import image_rows
from pipeline.sources.openimages.images.image_rows import FETCHED, ImageRow

_IMAGES = 100_000
_BOXES = 8  # of an image: 14.6 million of 1.74 million
_CLASSES = 601
_NAMES_OF_A_FILE = 1000
_SHARES = {"train": 0.9, "validation": 0.03, "test": 0.07}
_HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,"
    "IsDepiction,IsInside,XClick1X,XClick2X,XClick3X,XClick4X,XClick1Y,XClick2Y,XClick3Y,XClick4Y"
)
_ROW = "0.012500,0.195312,0.148438,0.587500,0,1,0,0,0," + ",".join(["0.148438"] * 8)
_CONFIG = """\
dataset = "openimages-scale"
files = "files.tsv"
bucket = "https://nowhere.invalid"

[versions.v6]
classes = "classes.csv"
segmentation_classes = "with-masks.txt"
hierarchy = "hierarchy.json"
"""
_SPLIT = """
[splits.{split}]
key = "{split}/{{id}}.jpg"
boxes = "{split}-boxes.csv"
"""


def draw(folder: Path, images: int) -> tuple[Path, Path]:
    """Draw classes and boxes; return the configuration and a list of all classes."""
    drawn, raw = random.Random(1), folder / "raw"
    raw.mkdir()
    mids = [f"/m/0{number:04x}" for number in range(_CLASSES)]
    weights = [1 / (place + 1) for place in range(_CLASSES)]
    names = "".join(f"{mid},Class {place}\n" for place, mid in enumerate(mids))
    (raw / "classes.csv").write_text(names)
    for split, share in _SHARES.items():
        ids = sorted({drawn.getrandbits(64) for _ in range(int(images * share))})
        with (raw / f"{split}-boxes.csv").open("w") as lines:
            lines.write(f"{_HEADER}\n")
            for number in ids:
                chosen = drawn.choices(mids, weights, k=_BOXES)
                lines.writelines(f"{number:016x},xclick,{mid},1,{_ROW}\n" for mid in chosen)
    rows = ["path\tbytes\tmd5_hex\turl"]
    for path in sorted(raw.iterdir()):
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        rows.append(f"{path.name}\t{path.stat().st_size}\t{md5}\t-")
    rows += [f"{name}\t-\t-\t-" for name in ("with-masks.txt", "hierarchy.json")]
    (folder / "files.tsv").write_text("\n".join([*rows, ""]))
    config, listed = folder / "openimages.toml", folder / "classes.txt"
    config.write_text(_CONFIG + "".join(_SPLIT.format(split=split) for split in _SHARES))
    listed.write_text("\n".join([*mids, ""]))
    return config, listed


def collect(out: Path) -> None:
    """Write the images of all selections, and the tables and marks of what came of them."""
    contents = [(content, _row(content)) for content in tiny_images()]
    for folder in places.selections(out).iterdir():
        split, _, digest = folder.name.rpartition("-")
        selected = places.selected_images(out, split, digest)
        for number, group in enumerate(tables.read(selected, tables.IMAGES, ["image_id"])):
            ids = group["image_id"].to_pylist()
            rows = list(_written(out, split, ids, *contents[number % len(contents)]))
            _record(out, split, digest, number, rows)


def _row(content: bytes) -> ImageRow:
    """Return the row of an image of some content, but for its ImageID and address."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    xxh3 = xxhash.xxh3_128_digest(content)
    return ImageRow("", FETCHED, "", 200, 1, "", len(content), md5, xxh3, width, height)


def _written(
    out: Path, split: str, ids: Sequence[str], content: bytes, like: ImageRow
) -> Iterator[ImageRow]:
    """Write images of one content, and yield their rows."""
    for place, image_id in enumerate(ids):
        path = places.image(out, split, image_id)
        if place % _NAMES_OF_A_FILE == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            original = path
        else:
            os.link(original, path)
        url = f"https://nowhere.invalid/{split}/{image_id}.jpg"
        yield replace(like, image_id=image_id, url=url)


def _record(out: Path, split: str, digest: str, number: int, rows: Sequence[ImageRow]) -> None:
    with storage.StagedFile(places.image_table(out, split, digest, number)) as table:
        table.write(image_rows.encode(rows))
        document = {
            "split": split,
            "selection": digest,
            "digest": image_rows.digest(rows),
            "images": len(rows),
            "bytes": sum(row.bytes for row in rows),
            "outcomes": {FETCHED: len(rows)},
        }
        manifest.publish([table], places.image_mark(out, split, digest, number), out, document)


def measured(folder: Path, images: int) -> list[Asked]:
    """Have a drawn set finished, without shards, and ask for it again."""
    config, listed = draw(folder, images)
    out = folder / "out"
    shardmill = [sys.executable, "-m", "tasks.cli"]
    again = [*shardmill, "openimages", "--out", str(out), "--raw", str(folder / "raw")]
    again += ["--config", str(config), "--classes", str(listed), "--offline"]
    again += ["--format", "none"]
    select = [*again, "--until", "select"]
    held = measure.peaks(select, ROOT)
    selected = max(held, key=lambda peak: peak.uss)
    said = f"{images * _BOXES:,} boxes selected, at most {selected.uss / report.MB:.0f} MB USS"
    print(f"{said} ({selected.name})", file=sys.stderr)
    collect(out)
    first = measure.run(again, ROOT)
    print(f"{images:,} images prepared in {first.wall_s:.0f} s", file=sys.stderr)
    return [
        ask("--until select", select),
        ask("--until images, which looks at each image", [*again, "--until", "images"]),
        ask("status", [*shardmill, "status", str(out)]),
        ask("--dry-run", [*again, "--dry-run"]),
        ask("a run, which looks at each image", again),
    ]


def main() -> None:
    """Measure, print the table, write the JSON."""
    run(__doc__, _IMAGES, "openimages_scale.json", measured)


if __name__ == "__main__":
    main()
