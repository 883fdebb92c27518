"""The cache of dbcollection 0.2.6: by it ``dbcollection.load`` finds the files of a dataset.

Source: dbcollection 0.2.6, core/manager.py. It is ``dbcollection.json`` in a user's home folder::

    info       root_cache_dir, root_downloads_dir
    dataset    name -> cache_dir, data_dir, keywords, tasks: task -> filename, categories
    category   keyword -> name -> tasks, sorted

A task that is not there is made anew by the package when it is loaded, and another of the same
dataset is forgotten: so all tasks are registered together.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from pipeline import storage
from pipeline.errors import ConfigError, OutputDamaged, UsageError
from pipeline.exports.dbcollection.file import DATASET, TASKS

_NAME = "dbcollection.json"
_KEYWORDS = ("classification", "image_processing")

_Document = dict[str, Any]


@dataclass(frozen=True)
class Registration:
    """What was registered.

    Attributes:
        cache: the cache.
        files: task -> its file.
        replaced: task -> the file it had before, where that was another.
    """

    cache: Path
    files: Mapping[str, Path]
    replaced: Mapping[str, str]


def register(home: Path, files: Mapping[str, Path]) -> Registration:
    """Put the files of all tasks into the cache in a home folder; what else is there is kept.

    Args:
        home: the folder, of the user who is to find them.
        files: task -> its file, for each of `pipeline.exports.dbcollection.file.TASKS`; those
            that are not there are left out.

    Raises:
        UsageError: none of the files is there, or they are of images in different folders.
        OutputDamaged: a file is not one that this program wrote.
        ConfigError: the cache that is there is none.
        OutputConflict: a folder, a device or a pipe is in its place.
    """
    absolute = {
        task: files[task].absolute() for task in TASKS if storage.stat(files[task]) is not None
    }
    if not absolute:
        raise UsageError(
            "there is no file to register",
            file=str(files[TASKS[0]]),
            remedy="make it with --export dbcollection or raw256, or name another output folder",
        )
    data_dir = _common_data_dir(absolute)
    cache = storage.output_file((home / _NAME).absolute())
    document = _read(cache)
    root = home.absolute() / "dbcollection"
    info = _part(cache, document, "info")
    info.setdefault("root_cache_dir", str(root))
    info.setdefault("root_downloads_dir", str(root / "downloads"))
    entry = _part(cache, _part(cache, document, "dataset"), DATASET)
    known = {task: _filename(entry, task) for task in absolute}
    entry.setdefault("cache_dir", str(root / DATASET))
    entry |= {"data_dir": data_dir, "keywords": list(_KEYWORDS), "tasks": _tasks(absolute)}
    for keyword in _KEYWORDS:
        _part(cache, _part(cache, document, "category"), keyword)[DATASET] = sorted(TASKS)
    content = json.dumps(document, indent=4, sort_keys=True) + "\n"
    storage.publish_bytes(cache, content.encode())
    replaced = {task: old for task, old in known.items() if old and old != str(absolute[task])}
    return Registration(cache, absolute, replaced)


def _tasks(files: Mapping[str, Path]) -> _Document:
    return {
        task: {"filename": str(path), "categories": list(reversed(_KEYWORDS))}
        for task, path in files.items()
    }


def _common_data_dir(files: Mapping[str, Path]) -> str:
    folders = {task: _data_dir(path) for task, path in files.items()}
    if len(set(folders.values())) > 1:
        raise UsageError(
            "the files are of images in different folders",
            file=str(next(iter(files.values()))),
            expected="one folder: the cache has room for no more",
            found=", ".join(f"{folder} ({task})" for task, folder in folders.items()),
            remedy="make them again with one --data-dir",
        )
    return next(iter(folders.values()))


def _data_dir(path: Path) -> str:
    try:
        with h5py.File(io.BytesIO(storage.read_bytes(path)), "r") as file:
            return str(file.attrs["data_dir"])
    except (OSError, KeyError) as error:
        raise OutputDamaged(
            "this is no file of dbcollection that shardmill wrote",
            file=str(path),
            found=str(error),
            remedy="remove it and let shardmill make it anew",
        ) from error


def _read(cache: Path) -> _Document:
    if storage.stat(cache) is None:
        return {}
    try:
        document = json.loads(storage.read_bytes(cache))
    except (ValueError, RecursionError) as error:
        raise _no_cache(cache, str(error)) from error
    if not isinstance(document, dict):
        raise _no_cache(cache, type(document).__name__)
    return document


def _part(cache: Path, document: _Document, name: str) -> _Document:
    """Return a part of a document, an empty one where it has none."""
    part = document.setdefault(name, {})
    if not isinstance(part, dict):
        raise _no_cache(cache, f"{name}: {type(part).__name__}")
    return part


def _filename(entry: _Document, task: str) -> str:
    try:
        return str(entry["tasks"][task]["filename"])
    except (KeyError, TypeError):
        return ""


def _no_cache(cache: Path, found: str) -> ConfigError:
    return ConfigError(
        "this is no cache of dbcollection",
        file=str(cache),
        expected="a JSON document of objects",
        found=found,
        remedy="correct it or move it away: an empty one is then made",
    )
