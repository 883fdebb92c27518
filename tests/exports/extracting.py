"""Extraction in this process, and in one that dies of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from pipeline import storage
from pipeline.exports import class_tree as extraction

STEPS = ("mkdir", "open", "write", "link", "symlink", "rename", "replace", "unlink", "rmdir")


def extract(
    root: Path,
    rows: pa.Table,
    raw: Path,
    transfer: str = "copy",
    progress: Callable[[int], None] | None = None,
) -> pa.Table:
    whole_files = not all(source.endswith(".tar") for source in rows["source"].to_pylist())
    tree = raw if whole_files else None
    with storage.SourceReader(raw) as sources:
        return extraction.extract_group(
            root, rows, sources, transfer=transfer, whole_files=tree is not None, progress=progress
        )


def doomed(fatal: int, counted: Path, *arguments: object) -> None:
    """Extract, and die of SIGKILL at a step; a write dies when half of it is done."""
    steps = 0
    for verb in STEPS:
        usual = getattr(os, verb)

        def step(
            *place: object, verb: str = verb, usual: Callable[..., object] = usual, **more: object
        ) -> object:
            nonlocal steps
            steps += 1
            if steps == fatal:
                if verb == "write":
                    usual(place[0], bytes(place[1])[: len(place[1]) // 2])  # type: ignore[call-overload, arg-type]
                os.kill(os.getpid(), signal.SIGKILL)
            return usual(*place, **more)

        setattr(os, verb, step)
    extract(*arguments)  # type: ignore[arg-type]
    counted.write_text(str(steps))


def die(fatal: int, counted: Path, *arguments: object) -> int | None:
    # Not by fork: threads of this process may hold locks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.exports.class_tree"])
    process = context.Process(target=doomed, args=(fatal, counted, *arguments))
    process.start()
    process.join(120)
    return process.exitcode
