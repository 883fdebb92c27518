"""Whole commands over the format of `slots.py`, in this process: ``oneformatmore.py FOLDER``.

Writes what came of them into FOLDER, as JSON; `test_one_more_format.py` says what it should be.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import slots

slots.register()  # before the program makes anything of the registry

import inprocess  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import pytest  # noqa: E402
from support import products  # noqa: E402

from pipeline import manifest, paths  # noqa: E402
from pipeline.formats.registry import ALL  # noqa: E402
from pipeline.sample.draw import draw_sample  # noqa: E402
from pipeline.verification.reading import Verification  # noqa: E402

PLACES = 6  # how many bytes of a shard are changed, besides those of its table


class Commands:
    """Runs commands over a drawn set and an output folder."""

    def __init__(self, folder: Path) -> None:
        self.raw, self.out = folder / "raw", folder / "out"
        self.raw.mkdir(parents=True)
        self.config = draw_sample(
            self.raw,
            train_classes=2,
            images_per_class=3,
            validation_images=1,
            test_images=0,
            quirks=False,
        )
        self.said: dict[str, str] = {}

    def run(self, name: str, *words: object) -> int:
        """Run a command and keep what it says under a name."""
        with pytest.MonkeyPatch.context() as patch:
            if words[0] == "verify":
                ran = inprocess.verify(patch, *words[1:])
            else:
                ran = inprocess.shardmill(patch, *words)
        self.said[name] = ran.said
        return ran.status

    def prepare(self, name: str, *words: object) -> int:
        """Prepare the training images in the one format, and export them."""
        where = ("--raw", self.raw, "--config", self.config, "--out", self.out)
        form = ("--format", slots.Slots.name, "--split", "train", "--export", "parquet")
        return self.run(name, "imagenet", *where, *form, *words)

    @property
    def folder(self) -> Path:
        """The folder of the finished output."""
        return paths.current(self.out, slots.Slots.name, "train").resolve()

    @property
    def shards(self) -> list[Path]:
        """The shards."""
        return sorted(self.folder.glob("train-*.slots"))

    def layers(self, *, against: bool = False) -> list[str]:
        """Return the layers of all findings in the output."""
        reading = Verification(self.out, (), self.raw if against else None)
        return sorted({found.layer.value for found in reading.findings([self.folder])})

    def reseal(self) -> None:
        """Set the hashes of the files in the manifest and in the marks right."""
        marks = paths.shard_marks(self.out, self.folder.name).glob("*.json")
        for path, base in (
            *((mark, self.out) for mark in marks),
            (paths.manifest(self.folder), self.folder),
        ):
            document = manifest.load(path)
            for entry in document["files"]:
                entry["xxh3_128"] = manifest.hash_file(base / entry["file"])
            path.write_bytes(manifest.serialise(document))


@contextmanager
def changed(path: Path, at: int) -> Iterator[None]:
    """Change a byte of a file for a while."""
    content = path.read_bytes()
    path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
    yield
    path.write_bytes(content)


def flipped(commands: Commands) -> dict[str, object]:
    """Change bytes of a shard, one at a time; with right hashes, the records themselves tell."""
    path = commands.shards[0]
    size = path.stat().st_size
    places = [*range(0, 28, 9), *range(28, size, size // PLACES)]
    unseen, unseen_inside, layers = [], [], set()
    for at in places:
        with changed(path, at):
            if not commands.layers():
                unseen.append(at)
            commands.reseal()
            found = commands.layers(against=True)
            layers.update(found)
            if not found:
                unseen_inside.append(at)
        commands.reseal()
    return {"places": len(places), "unseen": unseen, "inside": unseen_inside, "by": sorted(layers)}


def run_all(folder: Path) -> dict[str, object]:
    """Prepare, verify, change, export, repair and clean."""
    commands = Commands(folder)
    prepare, verify = commands.prepare, commands.run
    statuses = {"prepared": prepare("prepared", "--shards", "train=2")}
    first, before = commands.folder, products(commands.out)
    statuses["again"] = prepare("again", "--shards", "train=2")
    statuses["verified"] = verify("verified", "verify", commands.out, "--against", commands.raw)
    statuses["status"] = verify("status", "status", commands.out)
    listed = pq.read_table(commands.out / "metadata.parquet")
    found = {
        "files": sorted(path.name for path in first.iterdir()),
        "columns": listed.column_names,
        "places": [listed[f"slots_{name}"].to_pylist() for name in ("shard", "record")],
        "labels": _labels(commands),
        "listed": (first / "shards.txt").read_text(),
        "flipped": flipped(commands),
    }
    commands.shards[1].write_bytes(commands.shards[1].read_bytes()[:-1])
    statuses["damaged"] = verify("damaged", "verify", commands.out, "--remove-damaged")
    found["shards left"] = [path.name for path in commands.shards]
    statuses["mended"] = prepare("mended", "--shards", "train=2")
    found["same"] = products(commands.out) == before
    for name in ("notes.slots", "train-00004-of-00009.slots"):
        (first / name).write_text("somebody's own")
    statuses["superseded"] = prepare("superseded", "--shards", "train=3", "--replace")
    statuses["cleaned"] = verify("cleaned", "clean", commands.out, "--yes")
    found["left"] = sorted(path.name for path in first.rglob("*"))
    statuses["joined"] = prepare("joined", "--joined")
    return {"statuses": statuses, "said": commands.said, **found}


def _labels(commands: Commands) -> list[object]:
    form = ALL[slots.Slots.name]
    return [
        form.parse(record, str(path))[0]["label"]
        for path in commands.shards
        for record in form.read(path)
    ]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "came.json").write_text(json.dumps(run_all(folder)))
