"""Tables of fingerprints in an output folder, each with a mark that seals it.

What a fingerprint is says `pipeline.storage.local.fingerprints`.
"""

from __future__ import annotations

import io

import pyarrow as pa

from pipeline import manifest, storage
from pipeline.documents.records import FingerprintsMark
from pipeline.errors import OutputDamaged, Vanished
from pipeline.storage import Location, Where, with_suffix
from pipeline.storage import table_bounds as tablebounds
from pipeline.storage.local.fingerprints import SCHEMA, content_digest


def publish(path: Location, fingerprints: pa.Table, out: Location, **more: object) -> None:
    """Publish a table, and the mark beside it that seals it; `more` is kept in the mark."""
    with storage.StagedFile(path) as staged:
        staged.write(_serialised(fingerprints))
        document = {"content": content_digest(fingerprints), **more}
        manifest.publish([staged], mark_of(path), out, document)


def mark_of(path: Where) -> Where:
    """Return where the mark of a table lies."""
    return with_suffix(path, ".json")


def load(path: Location, out: Location) -> tuple[FingerprintsMark, pa.Table] | None:
    """Return the mark and the table that were published last; None if there is none.

    Raises:
        OutputDamaged: they are not as they were written.
    """
    if storage.stat(mark_of(path)) is None:
        return None
    try:
        document = manifest.read_checked(mark_of(path), out, FingerprintsMark)
    except Vanished as error:
        raise OutputDamaged("the table is gone", file=str(path)) from error
    with storage.open_arrow(path) as file:
        tablebounds.check_file(file, packed=True)
        table = pa.ipc.open_file(file).read_all()
        storage.check_table(table, SCHEMA)
    return document, table


def _serialised(fingerprints: pa.Table) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, SCHEMA, options=options) as writer:
        writer.write_table(fingerprints.combine_chunks())
    return sink.getvalue()
