"""The hash of a staged file is that of its bytes, however they came into it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from pipeline import storage
from pipeline.storage import SharedFile, StagedFile


def check(staged: StagedFile) -> bytes:
    """Publish a file; check that it is what its hash and size say, and return it."""
    said = staged.size, staged.content_hash
    storage.publish(staged)
    content = storage.read_bytes(staged.path)
    assert said == (len(content), xxhash.xxh3_128_hexdigest(content))
    return content


def test_of_no_bytes(tmp_path: Path) -> None:
    with StagedFile(tmp_path / "file") as staged:
        assert check(staged) == b""


def test_of_bytes_that_are_written_and_streamed_in_turn(tmp_path: Path) -> None:
    with StagedFile(tmp_path / "file") as staged:
        staged.write(b"ab", bytearray(b"c"), b"", memoryview(b"de"))
        with staged.stream(4) as stream:
            for piece in (b"f", b"ghi", b"", bytes(9)):
                stream.write(piece)
        staged.write(b"j")
        assert check(staged) == b"abcdefghi" + bytes(9) + b"j"


def test_of_a_stream_whose_writes_fall_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with StagedFile(tmp_path / "file") as staged:
        with monkeypatch.context() as patch, staged.stream(3) as stream:
            patch.setattr(os, "write", lambda fd, view: write(fd, view[:2]))
            for piece in (b"a", b"bcdefg", b"hi"):
                stream.write(piece)
            stream.flush()
        assert check(staged) == b"abcdefghi"


def test_a_stream_tells_its_place_and_does_not_seek(tmp_path: Path) -> None:
    with StagedFile(tmp_path / "file") as staged:
        staged.write(b"abc")
        with staged.stream() as stream:
            stream.write(b"de")
            assert stream.tell() == 5
            assert not stream.seekable()
            with pytest.raises(io.UnsupportedOperation):
                stream.seek(0)
        assert check(staged) == b"abcde"


def _parquet(stream: BinaryIO, table: pa.Table) -> None:
    with pq.ParquetWriter(stream, table.schema, compression="zstd") as writer:
        writer.write_table(table, row_group_size=1000)


def _arrow(stream: BinaryIO, table: pa.Table) -> None:
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("write", [_parquet, _arrow])
def test_of_a_table_which_is_the_one_that_a_buffer_holds(
    tmp_path: Path, write: Callable[[BinaryIO, pa.Table], None]
) -> None:
    table = pa.table({"key": [f"{each:09}" for each in range(5000)]})
    memory = io.BytesIO()
    write(memory, table)
    with StagedFile(tmp_path / "file") as staged:
        with staged.stream(1 << 12) as stream:
            write(stream, table)
        assert check(staged) == memory.getvalue()


def test_of_what_others_write_in_any_order(tmp_path: Path) -> None:
    with StagedFile(tmp_path / "file") as staged:
        staged.write(b"head")
        with SharedFile(staged.temp, staged.path) as shared:
            shared.write_at(9, b"fghi")
            shared.write_at(4, b"abcde")
            staged.follow(7)
            assert staged.content_hash == xxhash.xxh3_128_hexdigest(b"headabc")
            staged.follow(7)
            staged.follow(13)
        staged.write(b"tail")
        assert check(staged) == b"headabcdefghitail"


def test_what_nobody_has_written_is_not_followed(tmp_path: Path) -> None:
    with StagedFile(tmp_path / "file") as staged:
        staged.write(b"abc")
        with pytest.raises(EOFError, match="ends at 3, before 4"):
            staged.follow(4)


def test_a_mark_that_speaks_of_older_files_goes_before_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, bool]] = []
    replace, mark_path = os.replace, tmp_path / "mark"
    mark_path.write_bytes(b"old")

    def name(temp: Path, path: Path) -> None:
        steps.append((path.name, mark_path.exists()))
        replace(temp, path)

    monkeypatch.setattr(os, "replace", name)
    with StagedFile(tmp_path / "file") as staged, StagedFile(mark_path) as mark:
        mark.write(b"new")
        storage.publish(staged, mark, superseding=True)
    assert steps == [("file", False), ("mark", False)]
    assert mark_path.read_bytes() == b"new"


def test_of_bytes_that_are_written_over_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, view, at: pwrite(fd, view[:2], at))
    with StagedFile(tmp_path / "file") as staged:
        staged.write(b"______efgh")
        staged.write_at(2, b"abc", b"", bytearray(b"d"))
        staged.write(b"ij")
        staged.write_at(0, b"<>")
        staged.write(b"kl")
        assert check(staged) == b"<>abcdefghijkl"


def test_it_is_written_over_after_its_hash_was_asked_for(tmp_path: Path) -> None:
    with StagedFile(tmp_path / "file") as staged:
        staged.write(b"abc")
        staged.write_at(0, b"x")
        assert staged.content_hash == xxhash.xxh3_128_hexdigest(b"xbc")
        staged.write(b"d")
        staged.write_at(3, b"y")
        assert check(staged) == b"xbcy"


@pytest.mark.parametrize("offset", [-1, 2, 9])
def test_nothing_is_written_over_what_is_not_there(tmp_path: Path, offset: int) -> None:
    with StagedFile(tmp_path / "file") as staged:
        staged.write(b"abc")
        with pytest.raises(ValueError, match="of 3 written ones"):
            staged.write_at(offset, b"xy")
        assert check(staged) == b"abc"
