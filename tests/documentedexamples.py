"""Whole commands over an example of docs/architecture.md: ``documentedexamples.py KIND FOLDER``.

The module `example` holds it. Writes what came of the commands into FOLDER, as JSON;
`test_documented_examples.py` says what it should be.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.exports import registry as exports
from pipeline.formats import registry as formats


def register(kind: str, module: Any) -> None:
    """Do what the line in a registry does, in this process alone.

    What the program makes of the registry, it makes when it is imported: this comes before.
    """
    if kind == "export":
        vars(exports)["EXPORTS"]["counts"] = module.Counts()
    elif kind == "format":
        for known in ("ALL", "FORMATS"):
            vars(formats)[known]["plain"] = module.Plain()
    elif kind == "source":
        # Behind the others: it imports the options of a job, which are made of those registries.
        sources = importlib.import_module("pipeline.sources.registry")
        vars(sources)["SOURCES"] = (module.ArraySet, *sources.SOURCES)


if __name__ == "__main__":
    register(sys.argv[1], importlib.import_module("example"))

import inprocess  # noqa: E402
import pytest  # noqa: E402
from drawnlists import encoded, lay  # noqa: E402
from support import products  # noqa: E402

WORDS = {
    "export": ("--format", "none", "--export", "counts"),
    "format": ("--format", "plain"),
    "source": ("--format", "recordio"),
}
LAYERS = re.compile("record CRC|record facts|plan")
"""What `verify` finds a damaged record by, besides the hash of its file."""
FILES = {
    "export": "counts.json",
    "format": "plain/pets/current/pets-00000-of-00001.plain",
    "source": "recordio/pets/current/pets-00000-of-00001.rec",
}


class Commands:
    """Runs commands over a folder of images; `statuses` and `said` keep how they ended, by name."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.pets, self.out = folder / "pets", folder / "out"
        self.array = folder / "pets.npy" if kind == "source" else None
        named = (self.array,) if self.array else (self.pets, "--recursive")
        self.words = ("imagelist", *named, "--out", self.out, *WORDS[kind])
        self.images = list[tuple[str, int]]()
        self.statuses, self.said = dict[str, int](), dict[str, str]()
        for number, name in enumerate(("a", "b", "a", "a")):
            self.add(name, number)

    def add(self, name: str, number: int) -> None:
        """Add an image of a class, ``a`` or ``b``."""
        lay(self.pets / name / f"{number}.jpg", encoded(number))
        if self.array:
            self.images.append((f"pets/{name}/{number}.jpg", "ab".index(name)))
            np.save(self.array, np.array(self.images, [("path", "U20"), ("label", "i4")]))

    def run(self, name: str, *words: object) -> None:
        """Run a command."""
        verify = words[0] == "verify"
        with pytest.MonkeyPatch.context() as patch:
            ran = (inprocess.verify if verify else inprocess.shardmill)(patch, *words[verify:])
        self.statuses[name], self.said[name] = ran.status, ran.said

    def verify(self, name: str, *words: object) -> None:
        """Verify the output against the images."""
        root = self.array.parent if self.array else self.pets
        self.run(name, "verify", self.out, "--against", root, *words)


def unseen(commands: Commands, file: Path) -> list[int]:
    """Change some bytes of a file, one at a time; return those that nothing but its hash tells."""
    content, passed = file.read_bytes(), list[int]()
    for at in (*range(0, 12, 3), 12, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        commands.verify("changed")
        if commands.statuses["changed"] != 1 or not LAYERS.search(commands.said["changed"]):
            passed.append(at)
    file.write_bytes(content)
    return passed


def run_all(kind: str, folder: Path) -> dict[str, object]:
    """Prepare, verify, damage, repair, replace and clean."""
    commands = Commands(kind, folder)
    run, made = commands.run, commands.words
    run("prepared", *made)
    file = (commands.out / FILES[kind]).resolve()
    content, before = file.read_bytes(), products(commands.out)
    run("again", *made)
    commands.verify("verified")
    run("status", "status", commands.out)
    passed = unseen(commands, file) if kind == "format" else []
    file.write_bytes(content[:-1])
    commands.verify("damaged", "--remove-damaged")
    removed = not file.exists()
    run("repaired", *made)
    same = products(commands.out) == before
    commands.add("b", 9)
    run("changed", *made)
    run("replaced", *made, "--replace")
    run("cleaned", "clean", commands.out, "--yes")
    commands.verify("after all")
    return {
        "statuses": commands.statuses,
        "said": commands.said,
        "content": content.hex(),
        "images": [path.read_bytes().hex() for path in sorted(commands.pets.rglob("*.jpg"))],
        "unseen": passed,
        "removed": removed,
        "same": same,
        "later": (commands.out / FILES[kind]).read_bytes().hex(),
        "superseded": file.exists(),
        "list": (commands.out / FILES[kind]).with_suffix(".lst").read_text()
        if kind == "source"
        else "",
    }


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    (folder / "came.json").write_text(json.dumps(run_all(sys.argv[1], folder)))
