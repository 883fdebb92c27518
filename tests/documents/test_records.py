"""What is remembered of archives, also by records that an earlier version wrote."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.documents.records import ArchiveMark
from pipeline.storage import FileInfo


def test_a_server_that_says_nothing_of_versions_gives_an_empty_stamp() -> None:
    text = f'{{"archive": "a.tar", "size": 5, "md5": "{"0" * 32}", "files": [], "stamp": ""}}'
    assert msgspec.json.decode(text, type=ArchiveMark).info == FileInfo(5, "")


@pytest.mark.parametrize("stamp", ['"stamp": "1700"', '"mtime_ns": 1700'])
def test_an_archive_verified_by_an_earlier_version_stays_verified(stamp: str) -> None:
    text = f'{{"archive": "a.tar", "size": 5, "md5": "{"0" * 32}", "files": [], {stamp}}}'
    assert msgspec.json.decode(text, type=ArchiveMark).info == FileInfo(5, "1700")
