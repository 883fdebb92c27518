"""An output that images are appended to."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from commands import shardmill
from drawnlists import current, draw_list, encoded, lay, manifest_of, stored

OPTIONS = ("--shards", 3)
FIRST = [f"images-{number:05d}-of-00003" for number in range(3)]


class Appended:
    """An output in three shards, and the list that it is made of."""

    def __init__(self, folder: Path, form: str) -> None:
        self.drawn, self.out, self.form = (
            draw_list(folder / "drawn", images=12),
            folder / "out",
            form,
        )
        self.first = self.run()

    def add(self, *names: str) -> None:
        """Draw images and list them."""
        first = len(self.drawn.names)
        for number, name in enumerate(names, start=first):
            lay(self.drawn.root / name, encoded(40 + number))
            self.drawn.add(f"{1000 + number}\t{number % 7}.000000\t{name}")

    def drop(self, name: str) -> None:
        """Take an image out of the list."""
        lines = self.drawn.path.read_text().splitlines(keepends=True)
        self.drawn.path.write_text(
            "".join(line for line in lines if not line.endswith(f"{name}\n"))
        )

    def run(self, *options: object, code: int = 0, append: bool = True) -> str:
        """Run the command; return what it said."""
        words = ("--format", self.form, *OPTIONS, *(["--append"] if append else []), *options)
        run = self.drawn.prepare_here(self.out, *words)
        assert run.returncode == code, run.stdout + run.stderr
        return run.stdout + run.stderr

    def verify(self) -> None:
        """Read everything back, and compare each image with its source."""
        run = shardmill("verify", self.out, "--against", self.drawn.root)
        assert run.returncode == 0, run.stdout + run.stderr

    def shards(self) -> dict[str, int]:
        """Return the inode of each shard, by its name."""
        folder = current(self.out, self.form)
        names = [each["file"] for each in manifest_of(self.out, self.form)["shards"]]
        return {name: (folder / name).stat().st_ino for name in names}

    def facts(self) -> dict[str, str]:
        """Return the shard of each image, by its key; no image is in two."""
        table = pq.read_table(current(self.out, self.form) / "facts.parquet")
        names = list(self.shards())
        keys = table["key"].to_pylist()
        assert len(set(keys)) == len(keys) == len(list(stored(self.out, self.form)))
        return {key: names[n] for key, n in zip(keys, table["shard"].to_pylist(), strict=True)}
