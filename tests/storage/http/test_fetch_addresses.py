"""Where a file is fetched from, which headers go there, and what first bytes say."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from pipeline.archives.signatures import HEAD_BYTES
from pipeline.errors import UsageError
from pipeline.storage.http.fetch.addresses import (
    candidates,
    check_headers,
    header_argument,
    header_bytes,
    of_configuration,
    read_headers,
)
from pipeline.storage.http.fetch.first_bytes import refusal

SECRET = "hunter2"  # noqa: S105 - of nobody
COOKIE = (("Cookie", SECRET),)
OWN = "https://image.example/2012/x.tar (needs an account)"


def a_tar() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    return target.getvalue()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (OWN, "https://image.example/2012/x.tar"),
        ("http://h:81/x?dl=1", "http://h:81/x?dl=1"),
        ("-", None),
        ("", None),
        ("ask the lab: https://lab.example", None),
        ("ftp://h/x", None),
        ("https:///x", None),
    ],
)
def test_the_url_of_a_configuration_begins_with_an_address_or_is_none(
    text: str, address: str | None
) -> None:
    assert of_configuration(text) == address


def test_mirrors_come_first_in_their_order() -> None:
    mirrors = ["https://m.example/a/", "s3://bucket/b", "https://n.example/c/x.tar"]
    found = candidates("x.tar", OWN, mirrors, {})
    assert [each.name for each in found] == [
        "https://m.example/a/x.tar",
        "s3://bucket/b/x.tar",
        "https://n.example/c/x.tar",
        "https://image.example/2012/x.tar",
    ]
    assert [each.url is None for each in found] == [False, True, False, False]


def test_a_query_is_asked_for_and_not_shown() -> None:
    (found,) = candidates("x.tar", f"https://h/x.tar?key={SECRET}", [], {})
    assert found.url is not None
    assert SECRET in found.url
    assert SECRET not in repr(found)


def test_headers_go_to_the_only_host_or_to_the_named_one() -> None:
    (only,) = candidates("x.tar", OWN, [], {"": COOKIE})
    assert only.headers == COOKIE
    mirror, own = candidates("x.tar", OWN, ["https://m.example/a"], {"image.example": COOKIE})
    assert (mirror.headers, own.headers) == ((), COOKIE)
    assert SECRET not in repr(own)


def test_of_several_hosts_it_must_be_said_which() -> None:
    with pytest.raises(UsageError, match=r"--header image\.example=@FILE"):
        candidates("x.tar", OWN, ["https://m.example/a"], {"": COOKIE})


def test_of_several_files_from_several_hosts_it_must_be_said_which_too() -> None:
    files = candidates("x.tar", OWN, [], {"": COOKIE})
    files += candidates("y.tar", "https://other.example/y.tar", [], {"": COOKIE})
    with pytest.raises(UsageError, match=r"--header image\.example=@FILE"):
        check_headers({"": COOKIE}, files)
    check_headers({"image.example": COOKIE}, files)


@pytest.mark.parametrize(
    "mirror", ["/local/folder", "ftp://h/x", f"https://u:{SECRET}@h/x", f"https://h/x?k={SECRET}"]
)
def test_what_is_no_mirror_is_refused_without_a_secret(mirror: str) -> None:
    with pytest.raises(UsageError) as caught:
        candidates("x.tar", OWN, [mirror], {})
    assert SECRET not in str(caught.value)


def test_a_password_in_a_configuration_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        of_configuration(f"https://u:{SECRET}@h/x")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", [f"Cookie: {SECRET}", SECRET, f"h={SECRET}", "@", ""])
def test_a_header_in_clear_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError, match="--header @FILE") as caught:
        header_argument(text)
    assert SECRET not in str(caught.value)


def test_a_file_of_headers_may_be_for_one_host() -> None:
    assert header_argument("@a b.txt") == ("", "a b.txt")
    assert header_argument("H.example:81=@c") == ("h.example:81", "c")


def test_a_file_of_headers_may_be_a_pipe() -> None:
    end, begin = os.pipe()
    with open(begin, "wb") as sink:
        sink.write(b"Cookie: a=b\n")
    try:
        assert header_bytes(f"/dev/fd/{end}") == b"Cookie: a=b\n"
    finally:
        os.close(end)


def test_a_file_of_headers_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        header_bytes(str(tmp_path / "absent"))
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    with pytest.raises(UsageError, match="no file of headers"):
        header_bytes(str(tmp_path / "large"))


def test_headers_are_read_a_line_each() -> None:
    content = b"# of the login\nCookie: a=b; c=d\r\n\nAuthorization:Bearer x\n"
    assert read_headers(content, "f") == (("Cookie", "a=b; c=d"), ("Authorization", "Bearer x"))


@pytest.mark.parametrize(
    "content", [SECRET, f"A: b\n{SECRET}", f"A b: {SECRET}", f"A: {SECRET}\x00", "", "#", "A: é"]
)
def test_what_is_no_header_is_refused_and_not_shown(content: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_headers(content.encode(), "f")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "head", "said"),
    [
        ("x.tar", b"<!DOCTYPE html><title>Log in</title>", "--header @FILE"),
        ("x.tgz", b"\xef\xbb\xbf \n<html>", "--header @FILE"),
        ("x.tar", b"", "without a byte"),
        ("x.tar", b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code>", "NoSuchKey"),
        ("x.tar", b'{"message": "no"}', "JSON"),
        ("x.tar.gz", a_tar()[:HEAD_BYTES], "decompressed"),
        ("x.tgz", b'{"message": "no"}', "JSON"),
        ("x.tar", gzip.compress(a_tar(), mtime=0), "gzip"),
        ("x.tar", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    ],
)
def test_what_is_no_archive_is_told_by_its_first_bytes(name: str, head: bytes, said: str) -> None:
    refused = refusal(name, head[:HEAD_BYTES], "https://h/x", ended=len(head) < HEAD_BYTES)
    assert refused is not None
    assert refused.exit_status == 3
    assert said in str(refused)
    assert refused.remedy


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("x.tar", a_tar()),
        ("x.tgz", gzip.compress(b"x", mtime=0)),
        ("x.tar", b"V7 has no magic" * 60),
    ],
)
def test_what_may_be_an_archive_is_taken(name: str, head: bytes) -> None:
    assert refusal(name, head[:HEAD_BYTES], "https://h/x", ended=False) is None


def test_an_error_document_is_not_quoted_but_for_its_code() -> None:
    body = f"<?xml version='1.0'?><Error><Code>Expired</Code><Token>{SECRET}</Token></Error>"
    refused = refusal("x.tar", body.encode(), "https://h/x", ended=True)
    assert SECRET not in str(refused)
    assert "Expired" in str(refused)
