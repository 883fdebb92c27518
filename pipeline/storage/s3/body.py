"""What is sent: a part of a local file, read as it is sent and never held in memory as a whole."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from botocore.config import Config

from pipeline.errors import TransientError
from pipeline.storage.local.oserrors import translate_oserrors, translated

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PAYLOAD_SIGNING: Final = "payload_signing_enabled"
_BLOCK: Final = 256 << 10  # bytes that are sent at once: they stay in the processor's cache


class Part(io.RawIOBase):
    """A part of an open file, as a stream of its own that boto3 can begin again.

    Args:
        fd: descriptor of the file, which stays open.
        path: of the file, for messages.
        offset: in bytes, where the part begins.
        size: in bytes, how long it is.
    """

    def __init__(self, fd: int, path: Path, offset: int, size: int) -> None:
        super().__init__()
        self._fd = fd
        self._path = path
        self._offset = offset
        self._size = size
        self._at = 0

    def __len__(self) -> int:
        return self._size

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def seekable(self) -> bool:
        """Return that it is: boto3 begins again where it sends again."""
        return True

    def tell(self) -> int:
        """Return how many bytes of the part lie before the next one."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to an offset in the part, and return it."""
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = min(max(begin + offset, 0), self._size)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes: as many as are asked for, or all up to the end of the part.

        Raises:
            TransientError: the file has become shorter.
        """
        rest = self._size - self._at
        wanted = rest if size is None or size < 0 else min(size, rest)
        with translate_oserrors(self._path):
            content = os.pread(self._fd, wanted, self._offset + self._at)
        self._advance(wanted, len(content))
        return content

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read the next bytes into a buffer; return how many, 0 at the end of the part.

        Raises:
            TransientError: the file has become shorter.
        """
        view = memoryview(buffer)[: self._size - self._at]
        with translate_oserrors(self._path):
            count = os.preadv(self._fd, [view], self._offset + self._at)
        self._advance(len(view), count)
        return count

    def _advance(self, wanted: int, count: int) -> None:
        if wanted and not count:
            raise TransientError(
                "a file became shorter while it was sent",
                file=str(self._path),
                expected=f"{self._size:,} bytes from byte {self._offset:,} on",
                found=f"{self._at:,} bytes",
            )
        self._at += count

    def blocks(self) -> Iterator[memoryview]:
        """Yield the bytes up to the end of the part; each view is valid until the next one."""
        buffer = memoryview(bytearray(min(_BLOCK, self._size)))
        while count := self.readinto(buffer):
            yield buffer[:count]

    def digest(self) -> bytes:
        """Return the MD5 of the part, and go back to its beginning."""
        md5 = hashlib.md5(usedforsecurity=False)
        self.seek(0)
        for block in self.blocks():
            md5.update(block)
        self.seek(0)
        return md5.digest()


class Blocks:
    """A part as it is sent: an iterable, of which urllib3 sends block by block.

    Of a stream it would take 16 KiB at a time, which costs a second of processor time a gigabyte.

    Args:
        part: what is sent.
    """

    def __init__(self, part: Part) -> None:
        self._part = part

    def __iter__(self) -> Iterator[memoryview]:
        return self._part.blocks()

    def seek(self, offset: int) -> int:
        """Go to an offset; botocore begins again where it sends again."""
        return self._part.seek(offset)


def send_blocks(*, request: Any, **_: object) -> None:
    """Have a part be sent in blocks; botocore calls this before it sends a request."""
    if isinstance(request.body, Part):
        request.body = Blocks(request.body)


class OpenedFile:
    """A local file that is read to be sent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._fd).st_size
        except OSError as error:
            raise translated(error, path) from error

    def part(self, offset: int, size: int) -> Part:
        """Return a part of it, as a stream; it must end before the file does."""
        return Part(self._fd, self._path, offset, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)


def base64_of(digest: bytes) -> str:
    """Return an MD5 as ``Content-MD5`` has it."""
    return base64.b64encode(digest).decode()


def sign_by_md5(*, request: Any, **_: object) -> None:
    """Have the signature of a request cover the MD5 of its body, and not its SHA-256, too.

    So boto3 does over TLS. Without TLS it would read the body once more for a hash that not every
    store compares, and every store compares the MD5: it is a header, and so it is signed. Whoever
    wants both says ``payload_signing_enabled`` in AWS's files. botocore calls this before it signs
    a request; see `pipeline.storage.s3.upload`.
    """
    config = request.context["client_config"]
    said = config.s3 or {}
    if "Content-MD5" in request.headers and _PAYLOAD_SIGNING not in said:
        unsigned = Config(s3={**said, _PAYLOAD_SIGNING: False})
        request.context["client_config"] = config.merge(unsigned)


def add_md5(*, params: dict[str, Any], **_: object) -> None:
    """Give a request the MD5 of its body; botocore calls this before it signs the request.

    Of a request to remove objects boto3 sends the CRC32 alone, and several stores want the MD5.
    """
    md5 = hashlib.md5(params["body"], usedforsecurity=False)
    params["headers"]["Content-MD5"] = base64_of(md5.digest())
