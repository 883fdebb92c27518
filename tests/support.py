"""What tests share: raw sets, running the command, comparing output trees."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import forked
import pyarrow as pa

from pipeline import paths, storage
from pipeline.catalog import table as catalog
from pipeline.job.options import Job
from pipeline.resources import shipped
from pipeline.state import progress
from pipeline.storage import Outcome, TempFile

SHARDS = ("--shards", "train=48", "--shards", "validation=12")  # many, for a job worth killing
ROOT = Path(__file__).resolve().parents[1]
_TRAIN, _VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
_BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"


@dataclass(frozen=True)
class RawSet:
    """A folder of archives and the configuration that describes them."""

    raw: Path
    config: Path

    def job(self, out: Path, **options: object) -> Job:
        """Return the job that prepares this set."""
        return Job(str(self.raw), str(out), str(self.config), **options)  # type: ignore[arg-type]

    def copy(self, folder: Path) -> RawSet:
        """Copy everything, for a test that breaks something."""
        shutil.copytree(self.raw, folder, dirs_exist_ok=True)
        if self.config.parent != self.raw:
            shutil.copytree(self.config.parent, folder, dirs_exist_ok=True)
        return RawSet(folder, folder / self.config.name)

    def repin(self, archive: str) -> None:
        """Set size and MD5 of a changed archive in the configuration."""
        content = (self.raw / archive).read_bytes()
        text = self.config.read_text()
        start = text.index(f'file = "{archive}"')
        stop = text.find("\n[", start)
        section = text[start:stop]
        section = re.sub(r"bytes = \d+", f"bytes = {len(content)}", section)
        section = re.sub(r'md5 = "\w+"', f'md5 = "{hashlib.md5(content).hexdigest()}"', section)
        self.config.write_text(text[:start] + section + text[stop:])


def mini_source() -> Path | None:
    """Return the folder of the real mini set, if it is there."""
    given = os.environ.get("SHARDMILL_TEST_DATA")
    data = Path(given) if given else ROOT.parent / "shared" / "data"
    source = data / "ilsvrc2012-mini"
    return source if source.is_dir() else None


def mini_set(source: Path, folder: Path) -> RawSet:
    """Write a configuration for the real mini set, by what its EXPECTED.json says."""
    expected = json.loads((source / "EXPECTED.json").read_text())
    shutil.copy(shipped("config/ilsvrc2012/synsets.tsv"), folder)
    shutil.copy(shipped("config/ilsvrc2012/validation_synsets.txt"), folder)
    per_class = expected["train_images"] // len(expected["train_classes"])
    _write_counts(folder / "train.tsv", dict.fromkeys(expected["train_classes"], per_class))
    labels = (folder / "validation_synsets.txt").read_text().split()
    with tarfile.open(source / _VALIDATION) as tar:
        numbers = [int(name[15:23]) for name in tar.getnames()]
    assert len(numbers) == expected["val_images"]
    _write_counts(folder / "val.tsv", Counter(labels[number - 1] for number in numbers))
    archives = "".join(
        f'[{table}]\nfile = "{file}"\nurl = "-"\n'
        f"bytes = {expected['archives'][file]['bytes']}\n"
        f'md5 = "{expected["archives"][file]["md5"]}"\n'
        for table, file in (
            ("archives.train", _TRAIN),
            ("archives.validation", _VALIDATION),
            ("archives.boxes", _BOXES),
            ("optional.validation-boxes", "ILSVRC2012_bbox_val_v3.tgz"),
            ("optional.devkit", "ILSVRC2012_devkit_t12.tar.gz"),
        )
    )
    config = folder / "mini.toml"
    config.write_text(
        f"""dataset = "ilsvrc2012-mini"
[labels]
table = "synsets.tsv"
{archives}
[splits.train]
archive = "train"
layout = "class-tars"
counts = "train.tsv"
boxes = "boxes"
shards = 8
[splits.validation]
archive = "validation"
folder = "val"
layout = "flat"
member = 'ILSVRC2012_val_(\\d{{8}})\\.JPEG'
labels = "validation_synsets.txt"
counts = "val.tsv"
boxes = "validation-boxes"
shards = 4
"""
    )
    return RawSet(source, config)


def shardmill(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, forked where a new interpreter makes no odds."""
    if forked.possible():
        return forked.run(command(*arguments), timeout=timeout)
    return interpreted(*arguments, timeout=timeout)


def interpreted(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command in a new interpreter."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=timeout, check=False
    )


def command(*arguments: object) -> list[str]:
    """Return the command line of ``shardmill`` with these arguments."""
    return [sys.executable, "-m", "tasks.cli", *map(str, arguments)]


def prepare(raw_set: RawSet, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Run ``shardmill imagenet`` on a raw set."""
    where = ("--raw", raw_set.raw, "--config", raw_set.config, "--out", out)
    return shardmill("imagenet", *where, *options)


def products(out: Path) -> dict[str, str]:
    """Return path -> SHA-256 of every product: all that is not the program's own state."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file() and not name.startswith(".shardmill"):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def timings(out: Path) -> list[progress.Timing]:
    """Return every finished task of all commands."""
    runs = storage.folders(paths.runs(out))
    return [timing for run in runs for timing in progress.timings(out, run)]


def temporary_files(out: Path) -> list[Path]:
    """Return what was left half written, anywhere."""
    return list(out.rglob(".*.tmp"))


def swept(temp: TempFile) -> Outcome:
    """Remove a temporary file, or a folder of those files that it holds now."""
    folder = temp.path.parent
    if temp.path.is_dir() and not temp.path.is_symlink():
        files = lambda path: not path.is_dir()  # noqa: E731
        plan = storage.plan_folder(folder, temp.path, files, links=True)
        return storage.remove_temp(temp, plan)
    return storage.remove_temp(temp, storage.plan_files(folder, [temp.path], links=True))


class _Calling(logging.Handler):
    def __init__(self, call: Callable[[str], object]) -> None:
        super().__init__()
        self.call = call

    def emit(self, record: logging.LogRecord) -> None:
        self.call(record.getMessage())


@contextlib.contextmanager
def on_wait(call: Callable[[str], object]) -> Iterator[None]:
    """Call a function with what is said whenever a lock is waited for in this process."""
    logger, handler = logging.getLogger(storage.WAITS), _Calling(call)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def write_catalog(out: Path, files: Iterable[str], digest: str = "0123456789ab") -> None:
    """Write a catalog of images, by class folder and name, into the state of an output folder."""
    nothing = dict.fromkeys(catalog.SCHEMA.names)
    rows = [nothing | {"class_id": file.partition("/")[0], "key": file} for file in files]
    with storage.StagedFile(paths.catalog(out, "train", digest)) as staged:
        catalog.write(staged, [pa.Table.from_pylist(rows, catalog.SCHEMA)])
        storage.publish(staged)


def _write_counts(path: Path, counts: dict[str, int]) -> None:
    path.write_text("".join(f"{wnid}\t{count}\n" for wnid, count in sorted(counts.items())))
