"""Tables that are kept as files of Arrow: small ones, read whole."""

from __future__ import annotations

import pyarrow as pa

from pipeline import storage
from pipeline.storage import Location, StagedFile
from pipeline.storage import table_bounds as tablebounds


def write(staged: StagedFile, table: pa.Table) -> None:
    """Write a table; equal tables give equal bytes."""
    with staged.stream() as stream, pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)


def read(path: Location, schema: pa.Schema) -> pa.Table:
    """Read a table.

    Raises:
        OutputDamaged: it is not as it was written.
    """
    with storage.open_arrow(path) as file:
        tablebounds.check_file(file, 1 << 24)
        table = pa.ipc.open_file(file).read_all()
        storage.check_table(table, schema)
        return table
