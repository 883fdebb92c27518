"""What tests of packing share: small sets, jobs, and a reader that shares no code with them."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from pipeline.im2rec.job import PackJob, encode_spec, pass_through_spec
from pipeline.sample.shapes import Encoding, draw_image

MAGIC = bytes.fromhex("0a23d7ce")


class Record(NamedTuple):
    """A record: where it begins, its header, labels and image."""

    offset: int
    flag: int
    label: float
    id: int
    id2: int
    labels: tuple[float, ...]
    image: bytes


@cache  # drawing an image takes 40 ms
def drawn(encoding: Encoding = "usual", seed: int = 0) -> bytes:
    return draw_image(random.Random(seed), "n01440764", "tench", encoding=encoding).encoded


def saved(form: str, mode: str = "RGB", **options: Any) -> bytes:
    output = io.BytesIO()
    Image.new(mode, (20, 10), 77 if mode != "RGB" else (7, 70, 170)).save(output, form, **options)
    return output.getvalue()


def draw_set(folder: Path, count: int = 12) -> Path:
    """Draw ``0.jpg`` and so on into ``folder/images``."""
    root = folder / "images"
    root.mkdir(parents=True)
    kinds: tuple[Encoding, ...] = ("usual", "gray", "progressive", "cmyk")
    for number in range(count):
        (root / f"{number}.jpg").write_bytes(drawn(kinds[number % 4], number))
    return root


def tiny_set(folder: Path, count: int = 12) -> Path:
    """Put ``0.jpg`` and so on, each of 20 x 10 pixels and its own bytes, into ``folder/images``."""
    root = folder / "images"
    root.mkdir(parents=True)
    for number in range(count):
        (root / f"{number}.jpg").write_bytes(saved("JPEG", comment=b"%d" % number))
    return root


def write_list(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    """Write ``id, label ..., path`` rows."""
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def list_all(root: Path) -> Path:
    """List every image of a set, beside its folder; ids and labels are not in order."""
    names = sorted(path.name for path in root.iterdir())
    rows = [(7 * number % 101, number % 5, name) for number, name in enumerate(names)]
    return write_list(root.parent / "a.lst", rows)


def passing(root: Path, listing: Path, **options: Any) -> PackJob:
    """The job of packing a list as it is."""
    spec = pass_through_spec(
        orientation=options.pop("orientation", None), transcode=options.pop("transcode", False)
    )
    output = options.pop("output", listing.with_suffix(".rec"))
    return PackJob(listing, root, output, spec, pass_through=True, **options)


def encoding(root: Path, listing: Path, *transforms: Any, **options: Any) -> PackJob:
    """The job of encoding a list anew."""
    spec = encode_spec(
        transforms, orientation=options.pop("orientation", None), color=options.pop("color", 1)
    )
    return PackJob(listing, root, listing.with_suffix(".rec"), spec, **options)


def read(path: Path) -> list[Record]:
    """Read a RecordIO file of images."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        start, payload, kind = at, b"", 1
        while kind in {1, 2}:
            assert data[at : at + 4] == MAGIC
            (word,) = struct.unpack_from("<I", data, at + 4)
            kind, length = word >> 29, word & (1 << 29) - 1
            payload += (MAGIC if at > start else b"") + data[at + 8 : at + 8 + length]
            at += 8 + length
            assert not any(data[at : at + -at % 4])
            at += -at % 4
        flag, label, key, id2 = struct.unpack_from("<IfQQ", payload)
        labels = struct.unpack_from(f"<{flag}f", payload, 24)
        found.append(Record(start, flag, label, key, id2, labels, payload[24 + 4 * flag :]))
    return found


def index(path: Path) -> list[tuple[int, int]]:
    """Read an index."""
    lines = path.read_text().splitlines()
    return [(int(key), int(offset)) for key, offset in (line.split("\t") for line in lines)]


def names(folder: Path) -> set[str]:
    """What lies in a folder, hidden files too."""
    return {path.name for path in folder.iterdir()}
