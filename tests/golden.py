"""The golden table: what whole jobs over drawn inputs give, to the byte; `tests/golden.json`.

For each job of `goldenjobs.JOBS` the table holds the exit status of each of its commands, every
digest, and the name and SHA-256 of every file below OUT, those of the program's state among them.
In names, a digest is written as what it is of, ``{tfrecord.train}``, so that a digest that changes
does not make every file look new. Not as they are, since they say where and when a job ran:

* the folders of progress, ``.shardmill/runs``: not looked at;
* lock files: that they are there, not what they hold;
* fingerprints of files that a job has read: without the stamps (time and inode) of these files,
  and their mark without size and hash of the fingerprints;
* the record of a tree: its name holds a digest of where the tree lies; it is compared without how
  the folders and annotations looked, and that of a list or folder, which decides no byte, is not;
* documents that name the folder of the inputs or OUT, absolute or relative to OUT: these as
  ``{in}`` and ``{out}``, and without the seal, the hash of the rest.

The bytes also depend on libraries. The lock files fix Pillow-SIMD, Arrow, HDF5 and array_record;
libjpeg and zlib come from the operating system. The drawn inputs show whether these write the same
bytes: where the inputs are others, and a library is another than that of the table, there is
nothing to compare.

After a break that is intended, and said in the CHANGELOG::

    .venv/bin/python tests/golden.py keep FOLDER [JOB ...]   # run, keep what it gives, compare
    .venv/bin/python tests/golden.py renew                   # write the table anew

To see what has changed in a file, ``keep`` it once with the commit before. Nothing renews the table
by itself, and where the variable ``CI`` is set, nothing can.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import inprocess
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from goldenjobs import JOBS, LAID_IN_OUT, draw_inputs
from PIL import features
from support import command

from pipeline import manifest

TABLE = Path(__file__).with_suffix(".json")
RENEW = ".venv/bin/python tests/golden.py renew"
KEEP = ".venv/bin/python tests/golden.py keep FOLDER"
STATE = ".shardmill"
_PROGRESS = f"{STATE}/runs/"
_FINGERPRINTS = re.compile(rf"{STATE}/sources/(?:[^/]+/[0-9]+|annotations-[^/]+)\.(arrow|json)")
_LIST_RECORD = f"{STATE}/sources/list-"
_TREE_RECORD = re.compile(rf"({STATE}/sources/[^/]+-)[0-9a-f]{{12}}\.json")
_COLLECTED = re.compile(rf"{STATE}/openimages/(images|files|archives|failures)/.+|failures/.+\.csv")
_WHEN = {"asked", "when", "url", "place", "stamp", "info", "etag"}
_SEAL = "self_xxh3_128"
_LOOKS = {"look", "annotations"}
_LOCKED = ("array-record", "h5py", "numpy", "pillow-simd", "pyarrow")

Run = Callable[[Sequence[str]], int]
"""Runs a command of ``shardmill``; returns its exit status."""


@dataclass(frozen=True)
class Seen:
    """What a job has given.

    Attributes:
        statuses: of its commands.
        digests: by what they are of.
        files: SHA-256 of each file by its path below OUT; of a link, where it points to.
    """

    statuses: list[int]
    digests: dict[str, str]
    files: dict[str, str]


def in_process(words: Sequence[str]) -> int:
    """Run a command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        if words[0] == "verify":
            return inprocess.verify(patch, *words[1:]).status
        return inprocess.shardmill(patch, *words).status


def by_workers(number: int) -> Run:
    """Run commands in processes of their own, with so many workers."""

    def run(words: Sequence[str]) -> int:
        takes = words[0].startswith(("image", "openimages"))
        workers = ("--workers", number) if takes else ()
        return subprocess.run(
            command(*words, *workers), capture_output=True, check=False
        ).returncode

    return run


def see(name: str, inputs: Path, work: Path, run: Run = in_process) -> Seen:
    """Run the commands of a job in the folder `work`; return what they have given."""
    out = work / "out"
    out.mkdir(parents=True)
    if name in LAID_IN_OUT:
        shutil.copy2(inputs / LAID_IN_OUT[name], out)
    folders = {"in": str(inputs), "out": str(out)}
    statuses = [run([word.format_map(folders) for word in words]) for words in JOBS[name]]
    digests = dict(sorted(_digests(out)))
    names = {str(inputs): "{in}", str(out): "{out}", os.path.relpath(inputs, out): "{in}"}
    files = list(_files(out, names, digests))
    assert len(dict(files)) == len(files), "two files of one name: OUT is of two jobs"
    return Seen(statuses, digests, dict(files))


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path.read_bytes()) for path in found}


def environment() -> dict[str, str]:
    """Return what bytes depend on beside this program."""
    return {
        "libjpeg": str(features.version("libjpeg_turbo") or features.version("jpg")),
        "machine": platform.machine(),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "zlib of Pillow": str(features.version("zlib")),
        **{name: metadata.version(name) for name in _LOCKED},
    }


def table() -> dict[str, Any]:
    """Return the golden table."""
    found: dict[str, Any] = json.loads(TABLE.read_text())
    return found


def changed_environment() -> list[str]:
    """Return what bytes depend on that is not as it was when the table was written."""
    return list(_differences("environment", table()["environment"], environment()))


def system_differs() -> bool:
    """Whether a library of the operating system, or the machine, is another than the table's."""
    was, now = table()["environment"], environment()
    return any(was.get(name) != value for name, value in now.items() if name not in _LOCKED)


def input_differences(inputs: Path) -> list[str]:
    """Return how drawn inputs differ from those of the table."""
    return list(_differences("input", table()["inputs"], hashes(inputs)))


def differences(name: str, seen: Seen) -> list[str]:
    """Return how a job differs from the table, a line each."""
    was = table()["jobs"].get(name)
    if was is None:
        return [f"job {name!r} is not in the table"]
    commands = [" ".join(words) for words in JOBS[name]]
    number = [f"command {n}, shardmill {words}: exit status" for n, words in enumerate(commands, 1)]
    statuses = dict(zip(number, map(str, was["statuses"]), strict=False))
    now = dict(zip(number, map(str, seen.statuses), strict=True))
    return [
        *_differences(f"job {name!r}", statuses, now),
        *_differences(f"job {name!r}: digest of", was["digests"], seen.digests),
        *_differences(f"job {name!r}: file", was["files"], seen.files),
    ]


def explained(lines: Iterable[str]) -> str:
    """Return differences as a message, with what to do about them."""
    advice = (
        "No byte, name or exit status of a job may change unless that is intended.",
        f"To look at the files, here and with the commit before: {KEEP}",
        f"If it is intended, and the CHANGELOG says so: {RENEW}",
    )
    return "\n".join(["", *lines, *changed_environment(), *advice])


def renew(jobs: Iterable[str] = JOBS) -> None:
    """Write the table anew.

    Raises:
        SystemExit: this is a run of CI.
    """
    if os.environ.get("CI"):
        sys.exit("the golden table is renewed by a person, never where CI is set")
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "in"
        draw_inputs(inputs)
        seen = {name: see(name, inputs, Path(folder) / name) for name in jobs}
        document = {
            "environment": environment(),
            "inputs": hashes(inputs),
            "jobs": {name: asdict(given) for name, given in seen.items()},
        }
    TABLE.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def keep(folder: Path, jobs: Iterable[str], run: Run = in_process) -> list[str]:
    """Run jobs in a folder and keep what they give; return how it differs from the table."""
    inputs = folder / "in"
    if not inputs.exists():
        draw_inputs(inputs)
    lines = input_differences(inputs)
    for name in jobs:
        lines += differences(name, see(name, inputs, folder / name, run))
    return lines


def _digests(out: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and value of each digest that documents below OUT tell."""
    for path in sorted(out.glob("*/*/*/manifest.json")):
        document = json.loads(path.read_bytes())
        found, split = document["digests"], document["split"]
        yield f"catalog.{split}", found["catalog"]
        yield f"plan.{split}", found["plan"]
        yield f"{path.parts[-4]}.{split}", found["output"]
    for path in sorted((out / STATE / "jobs").glob("*.json")):
        yield "job", path.stem
        document = json.loads(path.read_bytes())
        for split, recorded in (document["splits"] or {}).items():
            yield f"rows.{split}", recorded["rows"]
        for name, digest in document["products"] or ():
            yield f"product.{name}", digest


def _files(
    out: Path, folders: Mapping[str, str], digests: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the name and the hash of each file below OUT that is pinned."""
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if name.startswith((_PROGRESS, _LIST_RECORD)) or (path.is_dir() and not path.is_symlink()):
            continue
        shown = _TREE_RECORD.sub(r"\1{where the tree lies}.json", _named(name, digests))
        if path.is_symlink():
            yield shown, "-> " + _named(_replaced(os.readlink(path), folders), digests)
        elif name.endswith(".lock"):
            yield shown, "a lock"
        else:
            yield shown, _sha256(_pinned(name, path.read_bytes(), folders))


def _pinned(name: str, content: bytes, folders: Mapping[str, str]) -> bytes:
    """Return of a file what does not depend on where and when the job ran."""
    kind = _FINGERPRINTS.fullmatch(name)
    if _TREE_RECORD.fullmatch(name):
        record = json.loads(content)
        return manifest.serialise({key: record[key] for key in record.keys() - _LOOKS})
    if _COLLECTED.fullmatch(name):
        return _of_collected(name, content)
    if kind is not None and kind[1] == "arrow":
        rows = pa.ipc.open_file(content).read_all().drop_columns(["stamp"])
        return f"{rows.schema}\n{rows.to_pylist()}".encode()
    if kind is None and not any(folder.encode() in content for folder in folders):
        return content
    document = json.loads(_replaced(content.decode(), folders))
    del document[_SEAL]
    if kind is not None:
        document["files"] = [entry["file"] for entry in document["files"]]
    return json.dumps(document, sort_keys=True).encode()


def _of_collected(name: str, content: bytes) -> bytes:
    """Return what came of images and metadata, but when, and where they were asked for."""
    if name.endswith(".parquet"):
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
    elif name.endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    else:
        rows = [json.loads(content)]
        for entry in rows[0].pop("files"):
            rows.append({"file": entry["file"]})
    kept = [{key: row[key] for key in sorted(row.keys() - {*_WHEN, _SEAL})} for row in rows]
    return repr(kept).encode()


def _named(name: str, digests: Mapping[str, str]) -> str:
    """Return a path with the names of digests in the place of digests."""
    return _replaced(name, {digest: f"{{{of}}}" for of, digest in digests.items()})


def _replaced(text: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text


def _differences(what: str, was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            yield f"{what} {name}: was {was.get(name, 'not there')}, is {now.get(name, 'gone')}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Renew the table, or run jobs and keep what they give."""
    parser = argparse.ArgumentParser(description="the golden table of tests/golden.json")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("renew", help="write the table anew: after a break that is intended")
    keeping = commands.add_parser("keep", help="run jobs, keep what they give, and compare")
    keeping.add_argument("folder", type=Path)
    keeping.add_argument("jobs", nargs="*", default=list(JOBS), metavar="JOB")
    keeping.add_argument("--workers", type=int, help="as commands, with so many workers")
    given = parser.parse_args()
    if given.command == "renew":
        renew()
        return
    run = in_process if given.workers is None else by_workers(given.workers)
    lines = keep(given.folder.absolute(), given.jobs, run)
    sys.stdout.write("".join(f"{line}\n" for line in lines) or "as the table says\n")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
