"""How an object is cut into parts, and what is sent of a file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import TransientError
from pipeline.storage.s3 import etags, multipart
from pipeline.storage.s3.body import OpenedFile, add_md5, send_blocks

MIB = 1 << 20


@pytest.mark.parametrize("size", [1, 256 * MIB + 1, 320_000 * MIB, 320_000 * MIB + 1, 5 << 40])
def test_parts_are_neither_too_small_nor_too_many(size: int) -> None:
    step = multipart.part_size(size)
    assert multipart.SMALLEST_PART <= step <= multipart.LARGEST_PART
    assert -(-size // step) <= multipart.MOST_PARTS
    assert step == 32 * MIB or size > 320_000 * MIB


def test_a_part_of_a_file_is_read_as_a_stream(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(100)))
    with OpenedFile(tmp_path / "file") as file:
        part = file.part(10, 20)
        assert len(part) == 20
        assert part.digest() == hashlib.md5(bytes(range(10, 30))).digest()
        assert [part.read(15), part.read(15), part.read(15)] == [
            bytes(range(10, 25)),
            bytes(range(25, 30)),
            b"",
        ]
        assert part.seek(-5, os.SEEK_END) == part.tell() == 15
        assert part.read() == bytes(range(25, 30))


def test_a_file_that_became_shorter_is_not_sent_as_if_it_were_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with OpenedFile(tmp_path / "file") as file:
        part = file.part(0, file.size)
        os.truncate(tmp_path / "file", 5)
        with pytest.raises(TransientError, match="became shorter"):
            part.digest()


def test_a_part_is_sent_in_large_blocks_and_sent_again_from_its_beginning(tmp_path: Path) -> None:
    content = os.urandom(MIB)
    (tmp_path / "file").write_bytes(content)
    with OpenedFile(tmp_path / "file") as file:
        request = SimpleNamespace(body=file.part(10, MIB - 20))
        send_blocks(request=request)
        assert not hasattr(request.body, "read")  # of a stream urllib3 takes 16 KiB at a time
        for _ in range(2):
            blocks = [bytes(block) for block in request.body]
            assert b"".join(blocks) == content[10:-10]
            assert len(blocks) < 10
            request.body.seek(0)


def test_a_body_in_memory_is_sent_as_it_is() -> None:
    request = SimpleNamespace(body=b"{}")
    send_blocks(request=request)
    assert request.body == b"{}"


@pytest.mark.parametrize(
    ("answer", "is_md5"),
    [
        ({"ETag": '"0123456789abcdef0123456789ABCDEF"'}, True),
        ({"ETag": '"0123456789abcdef0123456789abcdef-2"'}, False),
        ({"ETag": '"0x8D4BCC2E4835CD0"'}, False),
        ({}, False),
        ({"ETag": '"0123456789abcdef0123456789abcdef"', "ServerSideEncryption": "AES256"}, True),
        ({"ETag": '"0123456789abcdef0123456789abcdef"', "ServerSideEncryption": "aws:kms"}, False),
        ({"ETag": '"0123456789abcdef0123456789abcdef"', "SSECustomerAlgorithm": "AES256"}, False),
    ],
)
def test_an_etag_is_an_md5_only_where_nothing_says_otherwise(
    answer: dict[str, str], is_md5: bool
) -> None:
    assert etags.is_md5(answer) == is_md5


def test_a_request_gets_the_md5_of_its_body() -> None:
    request: dict[str, Any] = {"body": b"<Delete/>", "headers": {}}
    add_md5(params=request)
    assert request["headers"] == {"Content-MD5": "ePbrFwvNFIRnzBrIv+T8Ag=="}
