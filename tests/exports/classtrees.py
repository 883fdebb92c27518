"""Images in archives and in trees, and rows that say where they lie, for extraction."""

from __future__ import annotations

import hashlib
import random
import tarfile
from pathlib import Path

import pyarrow as pa
import xxhash
from support import RawSet

TRAIN, VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
Tree = dict[str, bytes]
IMAGES = {
    f"n0{number}/n0{number}_{place}.JPEG": random.Random(f"{number} {place}").randbytes(100 + place)
    for number in range(3)
    for place in range(4)
}


def tree_of(root: Path) -> Tree:
    """Every file below a folder, links followed, hidden or not; empty folders end in a slash."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file():
            found[name] = path.read_bytes()
        elif not list(path.iterdir()):
            found[f"{name}/"] = b""
    return found


def fill(root: Path, files: Tree) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def row(file: str, source: str, offset: int, length: int) -> dict[str, object]:
    wnid, _, name = file.partition("/")
    place = {"source": source, "offset": offset, "length": length}
    return {"folder": wnid, "name": name, **place}


def table(rows: list[dict[str, object]]) -> pa.Table:
    """Rows of a group, in no order."""
    return pa.Table.from_pylist(
        sorted(rows, key=lambda each: hashlib.md5(repr(each).encode()).digest())
    )


def archive(folder: Path, files: Tree = IMAGES) -> pa.Table:
    """Write images end to end, as one file; return the rows that say where they are."""
    rows, offset = [], 0
    for file, content in files.items():
        rows.append(row(file, "train.tar", offset, len(content)))
        offset += len(content)
    fill(folder, {"train.tar": b"".join(files.values())})
    return table(rows)


def foldered(folder: Path, files: Tree = IMAGES) -> pa.Table:
    """Write images as an unpacked tree of class folders; return its rows."""
    fill(folder / "train", files)
    return table([row(file, f"train/{file}", 0, len(data)) for file, data in files.items()])


def flat(folder: Path, files: Tree = IMAGES) -> pa.Table:
    """Write images as files of one folder; return the rows."""
    fill(folder / "val", {file.partition("/")[2]: data for file, data in files.items()})
    return table(
        [row(file, f"val/{file.partition('/')[2]}", 0, len(data)) for file, data in files.items()]
    )


def listing_of(files: Tree) -> list[dict[str, object]]:
    return [
        {"file": file, "bytes": len(data), "xxh3_128": xxhash.xxh3_128_hexdigest(data)}
        for file, data in sorted(files.items())
    ]


def unpacked(raw_set: RawSet, folder: Path) -> tuple[Tree, pa.Table, pa.Table]:
    """What tar makes of both archives, and the rows of either."""
    train, validation = [], []
    expected = {}
    labels = (raw_set.config.parent / "validation_synsets.txt").read_text().split()
    with tarfile.open(raw_set.raw / TRAIN) as outer:
        for member in outer:
            wnid = member.name.removesuffix(".tar")
            with tarfile.open(fileobj=outer.extractfile(member)) as inner:
                inner.extractall(folder / "train" / wnid, filter="data")
                for one in inner:
                    offset = member.offset_data + one.offset_data
                    train.append(row(f"{wnid}/{one.name}", TRAIN, offset, one.size))
    with tarfile.open(raw_set.raw / VALIDATION) as tar:
        for one in tar:
            file = f"{labels[int(one.name[15:23]) - 1]}/{one.name}"
            content = tar.extractfile(one)
            assert content is not None
            expected[f"val/{file}"] = content.read()
            validation.append(row(file, VALIDATION, one.offset_data, one.size))
    expected |= tree_of(folder)
    return expected, table(train), table(validation)
