"""Publishes the files of a sample together, and overwrites none that is not of a sample."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from pipeline import storage
from pipeline.errors import OutputConflict
from pipeline.storage import StagedFile


def publish(folder: Path, files: Mapping[str, bytes], config: str) -> None:
    """Publish the files together, the configuration last.

    Args:
        folder: where they go; it is made if it is absent.
        files: path below the folder -> content.
        config: which of them is the configuration: where it is, a sample was drawn before.

    Raises:
        OutputConflict: another file of one of these names is there, and no configuration.
    """
    if storage.stat(folder / config) is None:
        for name, content in files.items():
            _refuse_other(folder / name, content)
    ordered = {name: content for name, content in files.items() if name != config}
    ordered[config] = files[config]
    with contextlib.ExitStack() as stack:
        staged = [stack.enter_context(StagedFile(folder / name)) for name in ordered]
        for file, content in zip(staged, ordered.values(), strict=True):
            file.write(content)
        storage.publish(*staged)


def _refuse_other(path: Path, content: bytes) -> None:
    present = storage.stat(path)
    if present is None:
        return
    if present.size == len(content) and storage.read_bytes(path) == content:
        return
    raise OutputConflict(
        "another file of this name is there, and it is not from a sample",
        file=str(path),
        remedy="draw the sample into a folder of its own",
    )
