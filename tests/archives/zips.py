"""Zip archives that tests write, whole, in ZIP64, and broken in one place each."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

FULL = 0xFFFFFFFF
CONTENTS = {
    f"{number:016x}_m0abc_{number:08x}.png": b"mask %d " % number * 40 for number in range(60)
}


def zipped(
    contents: Mapping[str, bytes] = CONTENTS,
    *,
    comment: bytes = b"",
    method: int = zipfile.ZIP_DEFLATED,
    streamed: bool = False,
) -> bytes:
    """Return an archive; a streamed one has its sizes behind each member, as of `zip -`."""
    output = io.BytesIO()
    with zipfile.ZipFile(_Pipe(output) if streamed else output, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
        archive.comment = comment
    return output.getvalue()


def empty_files(count: int) -> bytes:
    """Return an archive of many files without a byte, sooner than `zipfile` writes it."""
    local = struct.Struct("<4sHHHLLLLHH5s")
    central = struct.Struct("<4sHHHHLLLLHHHHHLL5s")
    names = [b"%05x" % number for number in range(count)]
    files = [local.pack(b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 5, 0, name) for name in names]
    directory = [
        central.pack(b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, local.size * at, name)
        for at, name in enumerate(names)
    ]
    return _ended(b"".join(files), b"".join(directory), count)


def as_zip64(data: bytes) -> bytes:
    """Return an archive all of whose numbers stand in ZIP64 records, and nowhere else."""
    end = data.rfind(b"PK\5\6")
    count, length, start = struct.unpack_from("<HLL", data, end + 10)
    directory, at = b"", start
    for _ in range(count):
        header = bytearray(data[at : at + 46])
        packed, size, name_bytes, extra_bytes, comment_bytes = struct.unpack_from(
            "<LLHHH", header, 20
        )
        (offset,) = struct.unpack_from("<L", header, 42)
        name = data[at + 46 : at + 46 + name_bytes]
        extra = struct.pack("<HHL", 0x7075, 4, 7) + struct.pack(
            "<HHQQQ", 1, 24, size, packed, offset
        )
        struct.pack_into("<LLHH", header, 20, FULL, FULL, name_bytes, len(extra))
        struct.pack_into("<L", header, 42, FULL)
        directory += bytes(header) + name + extra
        at += 46 + name_bytes + extra_bytes + comment_bytes
    assert at == start + length
    return _ended(data[:start], directory, count)


def _ended(files: bytes, directory: bytes, count: int) -> bytes:
    """Return an archive whose end says all in a record of ZIP64."""
    end = len(files) + len(directory)
    numbers = (count, count, len(directory), len(files))
    record = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, *numbers)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, FULL, FULL, 0)
    return files + directory + record + locator + last


class _Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, output: io.BytesIO) -> None:
        self._output = output

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._output.write(data)  # type: ignore[arg-type]

    def flush(self) -> None:
        return


class Held:
    """An archive in memory that notes which ranges are read, and may be damaged on its way."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []
        self.announced: list[tuple[int, int]] = []
        self.damaged: dict[int, int] = {}  # offset -> how often its byte is sent as another one

    def read(self, offset: int, length: int) -> memoryview:
        self.reads.append((offset, length))
        data = bytearray(self.data[offset : offset + length])
        for at, times in self.damaged.items():
            if times and offset <= at < offset + length:
                data[at - offset] ^= 0xFF
                self.damaged[at] -= 1
        return memoryview(data)

    def will_need(self, offset: int, length: int) -> None:
        self.announced.append((offset, length))

    def not_cached(self, offset: int, length: int) -> None:
        self.announced.append((offset, length))
