"""The only door to files: stat, list, read, publish atomically, remove.

A file appears under its final name whole or not at all: it is written beside its target
under a hidden temporary name, synced, and renamed. The name says which process writes it, and
that process holds an exclusive lock on the file while it lives, so that whoever finds one can
tell an owner at work from one that is gone. A folder of many small files appears in the same way,
synced once.
"""

from pipeline.storage.copies import copy_ahead, local_copies, local_copy, open_arrow
from pipeline.storage.exchange import Exchanged, exchange, small_document, small_documents
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.host_state import host_state
from pipeline.storage.local.deleting import remove_empty, remove_read
from pipeline.storage.local.disks import Disk, DiskKind, disk_of
from pipeline.storage.local.folders import (
    StagedFolder,
    check_file_name,
    publish_folders,
    sync_file_system,
)
from pipeline.storage.local.leftlocks import remove_left_locks
from pipeline.storage.local.listing import (
    Entry,
    check_table,
    special_kind,
)
from pipeline.storage.local.locks import (
    is_locked,
    lock_holders,
    lock_of,
    shared_lock,
    sole_lock,
    target_lock,
    wait_for_lock,
)
from pipeline.storage.local.mounts import is_in_memory
from pipeline.storage.local.oserrors import check_link, translated
from pipeline.storage.local.outputfile import file_of_descriptor, output_file, resolved
from pipeline.storage.local.owner import HOST_VARIABLE, Owner
from pipeline.storage.local.owner import current as this_process
from pipeline.storage.local.owner import host as host_name
from pipeline.storage.local.ranges import RangeReader, SourceReader, holds
from pipeline.storage.local.sharedwrite import SharedFile
from pipeline.storage.local.spelling import extension, full_path, path_from
from pipeline.storage.local.staging import Buffer, append_line, open_log
from pipeline.storage.local.stamps import ABSENT, UNSETTLED
from pipeline.storage.local.tar_folder import ALL as TARS_OF_FOLDER
from pipeline.storage.local.tar_folder import SUFFIX as TAR_FOLDER
from pipeline.storage.local.tar_folder import TarFolderReader, is_class_tar, is_tar_folder
from pipeline.storage.local.tempnames import SCRATCH
from pipeline.storage.local.temps import TempFile, remove_temp
from pipeline.storage.location import Location, Remote, on_this_machine, parse
from pipeline.storage.looks import (
    file_sizes,
    file_stamps,
    look_anew,
    read_files,
    read_stamped,
    settled,
)
from pipeline.storage.naming import below, folder_above, is_below, with_suffix
from pipeline.storage.output_place import (
    check_takes_files,
    host_root,
    locks_are_of_one_host,
    takes_folders,
)
from pipeline.storage.preloading import preload
from pipeline.storage.publishing import (
    duplicate,
    point,
    probe_writable,
    publish,
    publish_bytes,
    remove,
    write_unsynced,
)
from pipeline.storage.readers import Ranges, Sources
from pipeline.storage.received import Asked, Received, Result
from pipeline.storage.remote import use, using
from pipeline.storage.remote_options import RemoteOptions
from pipeline.storage.removal import Doomed, Outcome, Plan, Unfinished
from pipeline.storage.removing import (
    carry_out,
    give_up,
    left_locks,
    plan_files,
    plan_folder,
    temp_files,
    unfinished_uploads,
)
from pipeline.storage.scratch import folder as scratch_folder
from pipeline.storage.scratch import sweep_temps
from pipeline.storage.small_files import receive
from pipeline.storage.staged_file import StagedFile
from pipeline.storage.stores import (
    Where,
    absolute,
    documents,
    entries,
    folders,
    free_bytes,
    is_empty,
    is_folder,
    is_sent,
    is_within,
    kind,
    kinds,
    many_may_read,
    modified_ns,
    on_one_file_system,
    open_local,
    open_ranges,
    open_sources,
    placed,
    pointed,
    reachable,
    read_ahead,
    read_bytes,
    read_many,
    real_folder,
    relative,
    renew,
    same_folder,
    same_place,
    sizes,
    stat,
    stat_whole,
    told_md5,
    watch,
)
from pipeline.storage.unpacked import (
    forget_unpacked,
    give_up_unpacked,
    is_unpacked,
    keep_unpacked,
    unpacked_folder,
    unpacked_name,
)
from pipeline.storage.waiting import WAITS

__all__ = [
    "ABSENT",
    "HOST_VARIABLE",
    "SCRATCH",
    "TARS_OF_FOLDER",
    "TAR_FOLDER",
    "UNSETTLED",
    "WAITS",
    "Asked",
    "Buffer",
    "Disk",
    "DiskKind",
    "Doomed",
    "Entry",
    "Exchanged",
    "FileInfo",
    "Location",
    "Outcome",
    "Owner",
    "Plan",
    "RangeReader",
    "Ranges",
    "Received",
    "Remote",
    "RemoteOptions",
    "Result",
    "SharedFile",
    "SourceReader",
    "Sources",
    "StagedFile",
    "StagedFolder",
    "TarFolderReader",
    "TempFile",
    "Unfinished",
    "Where",
    "absolute",
    "append_line",
    "below",
    "carry_out",
    "check_file_name",
    "check_link",
    "check_table",
    "check_takes_files",
    "copy_ahead",
    "disk_of",
    "documents",
    "duplicate",
    "entries",
    "exchange",
    "extension",
    "file_of_descriptor",
    "file_sizes",
    "file_stamps",
    "folder_above",
    "folders",
    "forget_unpacked",
    "free_bytes",
    "full_path",
    "give_up",
    "give_up_unpacked",
    "holds",
    "host_name",
    "host_root",
    "host_state",
    "is_below",
    "is_class_tar",
    "is_empty",
    "is_folder",
    "is_in_memory",
    "is_locked",
    "is_sent",
    "is_tar_folder",
    "is_unpacked",
    "is_within",
    "keep_unpacked",
    "kind",
    "kinds",
    "left_locks",
    "local_copies",
    "local_copy",
    "lock_holders",
    "lock_of",
    "locks_are_of_one_host",
    "look_anew",
    "many_may_read",
    "modified_ns",
    "on_one_file_system",
    "on_this_machine",
    "open_arrow",
    "open_local",
    "open_log",
    "open_ranges",
    "open_sources",
    "output_file",
    "parse",
    "path_from",
    "placed",
    "plan_files",
    "plan_folder",
    "point",
    "pointed",
    "preload",
    "probe_writable",
    "publish",
    "publish_bytes",
    "publish_folders",
    "reachable",
    "read_ahead",
    "read_bytes",
    "read_files",
    "read_many",
    "read_stamped",
    "real_folder",
    "receive",
    "relative",
    "remove",
    "remove_empty",
    "remove_left_locks",
    "remove_read",
    "remove_temp",
    "renew",
    "resolved",
    "same_folder",
    "same_place",
    "scratch_folder",
    "settled",
    "shared_lock",
    "sizes",
    "small_document",
    "small_documents",
    "sole_lock",
    "special_kind",
    "stat",
    "stat_whole",
    "sweep_temps",
    "sync_file_system",
    "takes_folders",
    "target_lock",
    "temp_files",
    "this_process",
    "told_md5",
    "translated",
    "unfinished_uploads",
    "unpacked_folder",
    "unpacked_name",
    "use",
    "using",
    "wait_for_lock",
    "watch",
    "with_suffix",
    "write_unsynced",
]
