"""The only door to files: stat, list, read, publish atomically, remove.

A file appears under its final name whole or not at all: it is written beside its target
under a hidden temporary name, synced, and renamed. The name says which process writes it, and
that process holds an exclusive lock on the file while it lives, so that whoever finds one can
tell an owner at work from one that is gone. A folder of many small files appears in the same way,
synced once.
"""

from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.local.below import reachable
from pipeline.storage.local.deleting import carry_out, remove, remove_empty, remove_read
from pipeline.storage.local.folders import (
    StagedFolder,
    check_file_name,
    is_within,
    publish_folders,
    same_folder,
    same_place,
    sync_file_system,
)
from pipeline.storage.local.listing import (
    Entry,
    check_table,
    documents,
    entries,
    file_sizes,
    file_stamps,
    folders,
    free_bytes,
    kind,
    kinds,
    modified_ns,
    open_arrow,
    pointed,
    read_bytes,
    special_kind,
)
from pipeline.storage.local.lockfiles import WAITS
from pipeline.storage.local.locks import (
    is_locked,
    lock_holders,
    shared_lock,
    sole_lock,
    target_lock,
    wait_for_lock,
)
from pipeline.storage.local.oserrors import check_link, translated
from pipeline.storage.local.outputfile import output_file, resolved
from pipeline.storage.local.ranges import RangeReader, SourceReader, holds
from pipeline.storage.local.removalplan import Doomed, Outcome, Plan, plan_files, plan_folder
from pipeline.storage.local.sharedwrite import SharedFile
from pipeline.storage.local.staging import (
    Buffer,
    StagedFile,
    append_line,
    open_log,
    point,
    probe_writable,
    publish,
    publish_bytes,
    write_unsynced,
)
from pipeline.storage.local.stamps import ABSENT, UNSETTLED, read_stamped, settled
from pipeline.storage.local.tempnames import SCRATCH
from pipeline.storage.local.temps import TempFile, remove_temp, temp_files
from pipeline.storage.location import Location, Remote, parse
from pipeline.storage.readers import Ranges, Sources
from pipeline.storage.remote import RemoteOptions, use
from pipeline.storage.stores import (
    absolute,
    is_empty,
    on_this_machine,
    open_ranges,
    open_sources,
    placed,
    real_folder,
    sizes,
    stat,
)

__all__ = [
    "ABSENT",
    "SCRATCH",
    "UNSETTLED",
    "WAITS",
    "Buffer",
    "Doomed",
    "Entry",
    "FileInfo",
    "Location",
    "Outcome",
    "Plan",
    "RangeReader",
    "Ranges",
    "Remote",
    "RemoteOptions",
    "SharedFile",
    "SourceReader",
    "Sources",
    "StagedFile",
    "StagedFolder",
    "TempFile",
    "absolute",
    "append_line",
    "carry_out",
    "check_file_name",
    "check_link",
    "check_table",
    "documents",
    "entries",
    "file_sizes",
    "file_stamps",
    "folders",
    "free_bytes",
    "holds",
    "is_empty",
    "is_locked",
    "is_within",
    "kind",
    "kinds",
    "lock_holders",
    "modified_ns",
    "on_this_machine",
    "open_arrow",
    "open_log",
    "open_ranges",
    "open_sources",
    "output_file",
    "parse",
    "placed",
    "plan_files",
    "plan_folder",
    "point",
    "pointed",
    "probe_writable",
    "publish",
    "publish_bytes",
    "publish_folders",
    "reachable",
    "read_bytes",
    "read_stamped",
    "real_folder",
    "remove",
    "remove_empty",
    "remove_read",
    "remove_temp",
    "resolved",
    "same_folder",
    "same_place",
    "settled",
    "shared_lock",
    "sizes",
    "sole_lock",
    "special_kind",
    "stat",
    "sync_file_system",
    "target_lock",
    "temp_files",
    "translated",
    "use",
    "wait_for_lock",
    "write_unsynced",
]
