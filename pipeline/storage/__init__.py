"""The only door to files: stat, list, read, publish atomically, remove.

A file appears under its final name whole or not at all: it is written beside its target
under a hidden temporary name, synced, and renamed. The writer holds an exclusive lock on the
temporary file while it lives, so that whoever finds one can tell an owner at work from one
that is gone.
"""

from pipeline.storage.oserrors import translated
from pipeline.storage.reading import (
    FileInfo,
    RangeReader,
    folders,
    free_bytes,
    is_empty,
    open_arrow,
    pointed,
    read_bytes,
    sizes,
    stat,
)
from pipeline.storage.staging import (
    Buffer,
    StagedFile,
    append_line,
    open_log,
    point,
    probe_writable,
    publish,
    publish_bytes,
    remove,
    shared_lock,
    sole_lock,
    write_unsynced,
)
from pipeline.storage.temps import TempFile, temp_files

__all__ = [
    "Buffer",
    "FileInfo",
    "RangeReader",
    "StagedFile",
    "TempFile",
    "append_line",
    "folders",
    "free_bytes",
    "is_empty",
    "open_arrow",
    "open_log",
    "point",
    "pointed",
    "probe_writable",
    "publish",
    "publish_bytes",
    "read_bytes",
    "remove",
    "shared_lock",
    "sizes",
    "sole_lock",
    "stat",
    "temp_files",
    "translated",
    "write_unsynced",
]
