"""A small unpacked set with its annotations: what tests of changed sources begin with."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawnlists import encoded, lay
from PIL import Image

from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from tasks.prepare import is_complete
from tasks.roots import looked_at

CLASSES = ("n00000001", "n00000002")
PER_CLASS = 3


@dataclass(frozen=True)
class TreeSet:
    """A folder of class folders and annotations, and the configuration that describes it."""

    tree: Path
    config: Path

    def image(self, number: int, wnid: str = CLASSES[0]) -> Path:
        """Return where an image lies."""
        return self.tree / "train" / wnid / f"{wnid}_{number}.JPEG"

    def annotation(self, number: int, wnid: str = CLASSES[0]) -> Path:
        """Return where the annotation of an image lies."""
        return self.tree / "bboxes" / wnid / f"{wnid}_{number}.xml"

    def job(self, out: Path, **options: object) -> Job:
        """Return the job that prepares this set."""
        known = {"tree": str(self.tree), "splits": ("train",), **options}
        return Job("", str(out), str(self.config), **known)  # type: ignore[arg-type]


def annotation(name: str, xmax: int) -> bytes:
    """Return an annotation with a single box, of the same size for all numbers of two digits."""
    box = f"<xmin>10</xmin><ymin>10</ymin><xmax>{xmax}</xmax><ymax>20</ymax>"
    size = "<size><width>100</width><height>40</height><depth>3</depth></size>"
    return (
        f"<annotation><filename>{name}</filename>{size}<object><name>{name[:9]}</name>"
        f"<bndbox>{box}</bndbox></object></annotation>"
    ).encode()


def draw_tree(folder: Path) -> TreeSet:
    """Draw two classes of three images, each with an annotation, and their configuration."""
    made = TreeSet(folder / "tree", folder / "case.toml")
    for place, wnid in enumerate(CLASSES):
        for number in range(PER_CLASS):
            lay(made.image(number, wnid), encoded(10 * place + number))
            lay(made.annotation(number, wnid), annotation(f"{wnid}_{number}", 50))
    lay(folder / "synsets.tsv", _lines({"wnid": "words"} | dict.fromkeys(CLASSES, "a class")))
    lay(folder / "counts.tsv", _lines(dict.fromkeys(CLASSES, PER_CLASS)))
    archives = "".join(
        f'[archives.{name}]\nfile = "{file}"\nurl = "-"\nmd5 = "{number:032x}"\n'
        for number, (name, file) in enumerate((("train", "train.tar"), ("boxes", "boxes.tgz")))
    )
    split = (
        '[splits.train]\narchive = "train"\nlayout = "class-tars"\ncounts = "counts.tsv"\n'
        'boxes = "boxes"\nshards = 2\n'
    )
    made.config.write_text(f'dataset = "case"\n[labels]\ntable = "synsets.tsv"\n{archives}{split}')
    return made


def do(job: Job) -> None:
    """Do a job in this process, step by step; what a step raises is raised."""
    resolve.cache_clear()  # these are of a process, and this one does the work of several commands
    looked_at.cache_clear()
    _run(looked_at(job))
    assert is_complete(job)


def put_another_in_place(path: Path, number: int = 90) -> bytes:
    """Put another image of as many bytes in the place of a JPEG; return it."""
    with Image.open(io.BytesIO(encoded(number))) as image:
        memory = io.BytesIO()
        image.save(memory, "JPEG", quality=20)
    content, size = memory.getvalue(), path.stat().st_size
    padding = size - len(content) - 4
    assert padding >= 0
    comment = b"\xff\xfe" + (padding + 2).to_bytes(2, "big") + bytes(padding)
    path.write_bytes(content[:2] + comment + content[2:])
    assert path.stat().st_size == size
    return path.read_bytes()


def _run(task: Any) -> None:
    if not task.complete():
        for source in task.deps():
            _run(source)
        task.run()


def _lines(pairs: Mapping[str, object]) -> bytes:
    return "".join(f"{name}\t{value}\n" for name, value in pairs.items()).encode()
