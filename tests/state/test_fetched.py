"""What is recorded of archives that were fetched, and when one has to be fetched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import OutputConflict
from pipeline.sources.inputs import Archive
from pipeline.state import fetched

CONTENT = b"an archive"
ARCHIVE = Archive("train", "a.tar", "", hashlib.md5(CONTENT).hexdigest(), None)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An archive that was fetched."""
    path = tmp_path / ARCHIVE.file
    path.write_bytes(CONTENT)
    info = storage.stat(path)
    assert info is not None
    fetched.record(path, ARCHIVE, "https://host/a.tar", info)
    return path


def test_what_looks_as_it_did_is_there(target: Path) -> None:
    assert fetched.is_recorded(target, ARCHIVE)
    assert not fetched.must_be_fetched(target, ARCHIVE)


@pytest.mark.parametrize("content", [b"an archivf", b"an arch", None])
def test_what_was_changed_cut_or_removed_has_to_be_fetched(
    target: Path, content: bytes | None
) -> None:
    target.unlink()
    if content is not None:
        target.write_bytes(content)
        os.utime(target, ns=(1, 1))
    assert not fetched.is_recorded(target, ARCHIVE)
    assert fetched.must_be_fetched(target, ARCHIVE)


def test_what_somebody_has_put_there_is_to_be_read(target: Path) -> None:
    fetched.record_path(target).unlink()
    assert not fetched.is_recorded(target, ARCHIVE)
    assert not fetched.must_be_fetched(target, ARCHIVE)


def test_the_archive_of_another_set_is_not_replaced(target: Path) -> None:
    other = Archive("train", ARCHIVE.file, "", "0" * 32, None)
    assert not fetched.is_recorded(target, other)
    with pytest.raises(OutputConflict, match="--stage"):
        fetched.must_be_fetched(target, other)
    target.unlink()
    assert fetched.must_be_fetched(target, other)


def test_what_somebody_has_put_there_is_not_its_own_even_if_it_is_right(target: Path) -> None:
    assert fetched.is_own(target, ARCHIVE)
    info = storage.stat(target)
    assert info is not None
    fetched.record(target, ARCHIVE, "", info)
    assert fetched.is_recorded(target, ARCHIVE)
    assert not fetched.is_own(target, ARCHIVE)


def test_what_somebody_has_put_there_and_changed_is_to_be_read(target: Path) -> None:
    info = storage.stat(target)
    assert info is not None
    fetched.record(target, ARCHIVE, "", info)
    target.write_bytes(b"another archive")
    assert not fetched.is_recorded(target, ARCHIVE)
    assert not fetched.must_be_fetched(target, ARCHIVE)
    target.unlink()
    assert fetched.must_be_fetched(target, ARCHIVE)
