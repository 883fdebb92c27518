"""The commands and snippets of README.md and docs/*.md, as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from support import ROOT

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMAND = re.compile(r"(shardmill|luigi) ")
LAYOUT = re.compile(r"(OUT|pipeline)/|source ")
NOT_RUN = re.compile(r"(make|python -m pipeline.loaders.bench|pip|pipx|uv|podman|dask|eval) ")
"""What no test runs: it installs, runs all tests, runs on, or is for a shell's settings."""
EXAMPLES = {
    "source": '''"""Images that a NumPy array names: fields ``path`` and ``label``, from 0."""''',
    "export": '''"""Counts: how many images of each class each split has, as JSON."""''',
    "format": '''"""Plain shards: of each image its label, its number of bytes, and these."""''',
}
"""First lines of the complete examples of docs/architecture.md."""
SNIPPETS = {
    "from pipeline.im2rec import im2rec, transforms": "",
    **dict.fromkeys(EXAMPLES.values(), ""),
    "path,label": "",
    "from pipeline.loaders.tfdata import dataset": "test_tensorflow_reads_as_documented",
    "from pipeline.loaders import tfdata": "test_tensorflow_reads_a_store_as_documented",
    "from torch.utils.data import DataLoader": "test_torch_reads_as_documented",
    "state = data.state_after(batches=2, batch_size=4, workers=2)  # plain data: save it with the"
    " weights": "test_torch_reads_as_documented",
    "from pipeline.loaders import grain as loaders": "test_grain_reads_as_documented",
    "import glob": "test_grain_reads_array_records_as_documented",
    "from pipeline.loaders import mxnet as loaders": "test_mxnet_reads_as_documented",
    "from pipeline.loaders import torch": "test_torch_reads_as_the_readme_says",
    "import mxnet as mx": "test_mxnet_reads_several_classes_as_documented",
    ">>> import dbcollection as dbc": "test_dbcollection_loads_as_documented",
    "from datasets import load_dataset": "test_hugging_face_loads_as_documented",
    "from datasets import Features, Image, List, Value, load_dataset": (
        "test_hugging_face_reads_webdataset_as_documented"
    ),
    "import ray": "test_ray_writes_the_shards_as_documented",
    "{": "test_the_documented_rights_are_enough",  # of IAM
}
"""First lines of snippets, and which test of `SNIPPET_TESTS` runs each; "": this suite."""
SNIPPET_TESTS = (
    ROOT / "tests" / "interop" / "test_array_records.py",
    ROOT / "tests" / "interop" / "test_documented_snippets.py",
    ROOT / "tests" / "interop" / "test_loaders_grain.py",
    ROOT / "tests" / "interop" / "test_loaders_mxnet.py",
    ROOT / "tests" / "interop" / "test_loaders_torch.py",
    ROOT / "tests" / "interop" / "test_ray.py",
    ROOT / "tests" / "remote" / "test_s3_rights.py",
    ROOT / "tests" / "remote" / "test_remote_loaders.py",
)


@dataclass(frozen=True)
class Block:
    """Indented lines in a row."""

    document: str
    lines: tuple[str, ...]

    @property
    def commands(self) -> list[str]:
        """The lines that are commands."""
        return [line for line in self.lines if COMMAND.match(line)]

    @property
    def others(self) -> list[str]:
        """The lines that are none."""
        return [line for line in self.lines if not COMMAND.match(line)]


@cache
def blocks() -> tuple[Block, ...]:
    """Return the indented and the fenced blocks of all documentation."""
    return tuple(_blocks())


def _blocks() -> Iterator[Block]:
    for path in DOCUMENTS:
        fenced, marked = False, []
        for line in path.read_text().splitlines():
            if line.startswith("```"):
                fenced = not fenced
                marked.append((False, ""))
            else:
                indented = line.startswith("    ") and not fenced
                marked.append((fenced or indented, line[4:] if indented else line))
        kept = [(inside or not line, inside, line) for inside, line in marked]
        for code, group in groupby(kept, key=lambda each: each[0]):
            lines = [line for _, inside, line in group if inside]
            if code and lines:
                yield Block(path.name, tuple(lines))


def commands() -> list[str]:
    """Return every command line, each once; one with an option in brackets with and without it."""
    found: dict[str, None] = {}
    for block in blocks():
        for line in block.commands:
            plain = line.partition("#")[0].strip()
            for each in (re.sub(r" *\[[^]]*\]", "", plain), re.sub(r"[][]", "", plain)):
                found[each] = None
    return list(found)


def with_addresses() -> list[str]:
    """Return the commands that read from servers: tests/remote runs those that name no real one."""
    return [line for line in commands() if re.search("--(raw|against) (s3|https?)://", line)]


def of_stores() -> list[str]:
    """Return the commands that look at an output in a store: tests/remote runs them, too."""
    return [
        line
        for line in commands()
        if re.match(r"shardmill (status|verify|clean|where) s3://", line)
    ]


def lists_with_addresses() -> list[str]:
    """Return the commands that read lists or images from servers: tests/remote runs them."""
    return [line for line in commands() if re.search("imagelist .*(s3|https?)://", line)]


def snippet(first_line: str) -> str:
    """Return a Python snippet by its first line, without prompts."""
    for block in blocks():
        if block.others[:1] == [first_line]:
            return "\n".join(line.removeprefix(">>> ") for line in block.others)
    raise LookupError(first_line)


def words(path: Path) -> set[str]:
    """Return every long option that a document names."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", path.read_text()))
