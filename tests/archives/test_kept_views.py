"""What is read of archives stays as it is until the reader says that it ends, packed or not."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from zips import CONTENTS, zipped

from pipeline import storage
from pipeline.archives import packed_sources, zip_index
from pipeline.storage import Sources

_PLAIN = bytes(range(256)) * 1024


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    """A plain file, a zip archive and a folder of tars."""
    (tmp_path / "plain.tar").write_bytes(_PLAIN)
    (tmp_path / "packed.zip").write_bytes(zipped(method=zipfile.ZIP_STORED))
    (tmp_path / "classes").mkdir()
    for number in range(3):
        (tmp_path / f"classes/n0000000{number}.tar").write_bytes(bytes([number]) * 1024)
    with packed_sources.open_sources(tmp_path) as opened:
        yield opened


def _members(sources: Sources) -> list[tuple[str, int, bytes]]:
    """Return source, offset and content of the members of the zip archive."""
    place = Path(str(sources.path("packed.zip")))
    with storage.open_ranges(place) as ranges:
        index = zip_index.read_index(ranges, ranges.info.size, str(place), with_folders=True)
    rows = pa.Table.to_pylist(index)
    begins = {row["name"]: row["offset"] + zip_index.LOCAL_HEADER for row in rows}
    return [("packed.zip", begins[name], content) for name, content in CONTENTS.items()]


def test_views_of_any_source_are_as_they_were_read_when_it_is_said_that_they_end(
    sources: Sources,
) -> None:
    folder = [("classes.tars", 1536 * number + 512, bytes([number]) * 1024) for number in range(3)]
    plain = [("plain.tar", at, _PLAIN[at : at + 90_000]) for at in range(0, 150_000, 10_000)]
    triples = zip(_members(sources)[:15], plain, folder * 5, strict=True)
    wanted = [each for some in triples for each in some]
    kept, ends = list[tuple[memoryview, bytes]](), 0

    def before_reuse() -> None:
        nonlocal ends
        ends += 1
        assert all(view == content for view, content in kept)
        kept.clear()

    assert sources.keep_views(before_reuse)
    for source, offset, content in [*wanted, *plain]:
        kept.append((sources.read(source, offset, len(content)), content))
    before_reuse()
    assert ends >= len(wanted) * 2 // 3
