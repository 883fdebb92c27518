"""A page of a listing is read from its XML, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from pipeline.storage.s3.listpage import PAGE, Page, before_parse, parse

SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def page(inner: str, space: str = SPACE) -> bytes:
    return f"<ListBucketResult{space}>{inner}</ListBucketResult>".encode()


def test_objects_folders_and_the_next_page_are_read() -> None:
    inner = (
        "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
        "<NextContinuationToken>next</NextContinuationToken>"
        "<Contents><Key>a/b+c%2B%C3%A4</Key><Size>7</Size><ETag>&quot;0a-2&quot;</ETag></Contents>"
        "<Contents><Key>a/d</Key><LastModified/><ETag>0b</ETag><Size>0</Size></Contents>"
        "<CommonPrefixes><Prefix>a/e%20/</Prefix></CommonPrefixes>"
    )
    read = Page((("a/b c+ä", 7, "0a-2"), ("a/d", 0, "0b")), ("a/e /",), "next")
    assert parse(page(inner)) == read
    assert parse(page(inner, space="")) == read


def test_keys_are_taken_as_they_are_where_they_are_not_encoded() -> None:
    contents = "<Contents><Key>a+b%20c</Key><Size>1</Size></Contents>"
    assert parse(page(contents)) == Page((("a+b%20c", 1, ""),), (), None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Please log in</body></html>",
        b"<html><body>Please log in<br></body></html>",
        page("<Contents><Key>a</Key></Contents>"),
        page("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
        page("<Contents><Size>1</Size></Contents>"),
        page("<IsTruncated>true</IsTruncated>"),
        page("<EncodingType>url</EncodingType><Contents><Key>%ff</Key><Size>1</Size></Contents>"),
        page("<Contents><Key>a</Key><Size>1</Size></Contents>")[:-9],
        b"<Error><Code>SlowDown</Code></Error>",
    ],
)
def test_what_is_no_page_counts_as_a_failed_answer(body: bytes) -> None:
    answer = {"status_code": 200, "body": body}
    read: dict[str, object] = {}
    before_parse(response_dict=answer, customized_response_dict=read)
    assert read == {}
    assert answer["status_code"] == 502


def test_no_file_of_this_machine_is_read_for_a_page() -> None:
    document = b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    contents = "<Contents><Key>&e;</Key><Size>1</Size></Contents>"
    with pytest.raises(ValueError, match="without a key"):
        parse(document + page(contents))


def test_an_error_is_left_to_boto3() -> None:
    answer = {"status_code": 404, "body": b"<Error/>"}
    read: dict[str, object] = {}
    before_parse(response_dict=answer, customized_response_dict=read)
    assert PAGE not in read
    assert answer == {"status_code": 404, "body": b"<Error/>"}
