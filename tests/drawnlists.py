"""Drawn images in a folder and the image lists that name them: what tests of lists begin with."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import commands
import support
from PIL import Image

from pipeline import manifest
from pipeline.formats.base import ShardFormat
from pipeline.formats.registry import FORMATS

ALL_FORMATS = tuple(word for name in FORMATS for word in ("--format", name))
SPLIT = "images"
THREE = (*ALL_FORMATS, "--shards", 3, "--joined")
_NAMES = ("cats/{}.jpg", "small dogs/no {}.jpg", "Vögel/ü{}.jpeg", "cats/{}.png")
_ORIENTATION = 0x112


@dataclass(frozen=True)
class ListedSet:
    """A folder of images, and a list that names them."""

    root: Path
    path: Path

    @property
    def names(self) -> list[str]:
        """The paths that the list names."""
        return [line.rpartition("\t")[2] for line in self.path.read_text().splitlines()]

    def add(self, *lines: str) -> None:
        """Append lines to the list."""
        with self.path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def prepare(self, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
        """Run ``shardmill imagelist`` on it, in processes of its own."""
        return support.shardmill(*self._words(out), *options)

    def prepare_here(self, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
        """Run ``shardmill imagelist`` on it, in this process."""
        return commands.shardmill(*self._words(out), *options)

    def _words(self, out: Path) -> tuple[object, ...]:
        return ("imagelist", self.path, "--root", self.root, "--out", out)


def encoded(
    number: int = 0, mode: str = "RGB", form: str = "JPEG", orientation: int | None = None
) -> bytes:
    """Draw an image; no two numbers below 100 give the same."""
    memory, exif = io.BytesIO(), Image.Exif()
    if orientation is not None:
        exif[_ORIENTATION] = orientation
    image = Image.linear_gradient("L").resize((40 + number, 30)).convert("RGB").rotate(7 * number)
    image.convert(mode).save(memory, form, exif=exif.tobytes() if orientation else b"")
    return memory.getvalue()


def draw_list(folder: Path, images: int = 24, split: str = SPLIT) -> ListedSet:
    """Draw images, gray ones and PNGs among them, and list them between TABs."""
    listed = ListedSet(folder / "root", folder / f"{split}.lst")
    listed.root.mkdir(parents=True)
    listed.path.touch()
    for number in range(images):
        name = _NAMES[number % len(_NAMES)].format(number)
        content = encoded(number, ("RGB", "L")[number % 5 == 4], ("JPEG", "PNG")["png" in name])
        lay(listed.root / name, content)
        listed.add(f"{3 * number}\t{number % 7}.000000\t{name}")
    return listed


def lay(path: Path, content: bytes) -> Path:
    """Write a file, and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def current(out: Path, name: str, split: str = SPLIT) -> Path:
    """Return the folder of the finished output in a format."""
    return (out / name / split / "current").resolve()


def manifest_of(out: Path, name: str, split: str = SPLIT) -> dict[str, Any]:
    """Return the manifest of the finished output in a format."""
    return manifest.load(current(out, name, split) / "manifest.json")


def shards(folder: Path, split: str = SPLIT) -> list[Path]:
    """Return the shards of an output, of whatever format."""
    suffixes = {Path(made.files("train")[0]).suffix for made in FORMATS.values()}
    return sorted(path for path in folder.glob(f"{split}-*") if path.suffix in suffixes)


def stored(out: Path, name: str, split: str = SPLIT) -> Iterator[tuple[dict[str, object], bytes]]:
    """Yield what each record of a finished output says, and its image."""
    made: ShardFormat = FORMATS[name]
    for shard in shards(current(out, name, split), split):
        for record in made.read(shard):
            parsed, image = made.parse(record, str(shard))
            yield parsed, bytes(image)


def size_of(content: bytes) -> tuple[int, int]:
    """Return width and height, pixels, as Pillow sees them."""
    with Image.open(io.BytesIO(content)) as image:
        return image.size
