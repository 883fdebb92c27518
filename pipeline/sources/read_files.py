"""What was read of the files of a source one by one, kept until all of them are read.

A source of many large files is read by all workers at once, and may be killed meanwhile: what was
read of a file stays, and the next command reads the others. Once the whole source is remembered,
nobody needs it any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import digests, manifest, paths, storage
from pipeline.documents.sources import RecordedFile
from pipeline.errors import OutputDamaged
from pipeline.sources.glance import Glance
from pipeline.sources.kept_files import Placeholders
from pipeline.storage import Location, Plan, below, with_suffix
from pipeline.storage import table_bounds as tablebounds

VERSION: Final = 1
"""Of what is kept of a file: what another version has kept is not used."""
_ROWS: Final = 1 << 16


@dataclass(frozen=True)
class ReadFile:
    """What was read of a file.

    Attributes:
        rows: a row for each of its images.
        passed_over: what was passed over in it, how often, and where the first of each stands.
        beside: how files beside it looked that images were read from, by their paths.
        md5: of one that is packed as a whole; "": it is not.
    """

    rows: pa.Table
    passed_over: tuple[tuple[str, int, str], ...] = ()
    beside: dict[str, int] = field(default_factory=dict)
    md5: str = ""


def name_of(file: Location, how: str) -> str:
    """Return what is kept of a file is called: a digest of how it looks now, and how it is read.

    It is "" where the file is not there, or nothing would tell that it was replaced.
    """
    info = storage.stat(file)
    if info is None or not info.stamp:
        return ""
    return digests.digest({"file": str(file), "how": how, "look": info.look, "version": VERSION})


def is_kept(out: Location, name: str) -> bool:
    """Whether what was read of a file is there, by its `name_of`."""
    return manifest.read_complete(_place(out, name), out, RecordedFile) is not None


def save(out: Location, name: str, found: ReadFile) -> None:
    """Keep what was read of a file, by its `name_of`."""
    place = _place(out, name)
    document = {
        "passed_over": found.passed_over,
        "beside": {path: f"{stamp:016x}" for path, stamp in found.beside.items()},
        "md5": found.md5,
    }
    with storage.StagedFile(with_suffix(place, ".parquet")) as staged:
        with (
            staged.stream() as stream,
            pq.ParquetWriter(stream, found.rows.schema, compression="zstd") as writer,
        ):
            writer.write_table(found.rows, row_group_size=_ROWS)
        manifest.publish([staged], place, out, document)


def load(out: Location, name: str, schema: pa.Schema) -> ReadFile | None:
    """Return what was read of a file; None: it is not kept, is damaged, or not so any more."""
    place = _place(out, name)
    known = manifest.read_complete(place, out, RecordedFile)
    if known is None:
        return None
    beside = {path: int(stamp, 16) for path, stamp in known.beside.items()}
    if beside and not Glance(beside).holds():
        return None
    try:
        with storage.open_arrow(with_suffix(place, ".parquet")) as file:
            table = pq.ParquetFile(file)
            tablebounds.check_groups(table, file)
            rows = table.read(use_threads=False).cast(schema)
            storage.check_table(rows, schema)
    except OutputDamaged:
        return None
    return ReadFile(rows, known.passed_over, beside, known.md5)


def names(out: Location) -> set[str]:
    """Return the digests of the files of which something is kept."""
    return {path.stem for path in storage.documents(folder(out))}


def remove(out: Location, names: Iterable[str]) -> None:
    """Remove what was read of some files: the source that they are of is remembered."""
    for name in names:
        place = _place(out, name)
        storage.remove(out, place)
        storage.remove(out, with_suffix(place, ".parquet"))


def own_names(out: Path, like: Placeholders) -> Iterator[Path]:
    """Yield the path of each kind of file that is kept here."""
    place = out / storage.relative(_place(out, like.digest), out)
    yield from (place, place.with_suffix(".parquet"))


def folder(out: Location) -> Location:
    """Return the folder of all that is kept of files."""
    return below(paths.state(out), "read")


def plans(out: Location) -> dict[Location, Plan]:
    """Return the folder -> what goes of it: nothing is made of it, and it can be read again."""
    place = folder(out)
    if not storage.reachable(out, place):
        return {}
    plan = storage.plan_files(out, (below(place, name) for name in sorted(storage.sizes(place))))
    return {place: plan} if plan.items else {}


def _place(out: Location, name: str) -> Location:
    return below(folder(out), f"{name}.json")
