"""A second name of a file: it is there whole, or nothing has changed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from pipeline import storage
from pipeline.errors import NoPermission, NoSpace


def lay(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("before", [None, b"something else"])
def test_the_file_has_two_names(tmp_path: Path, before: bytes | None) -> None:
    source, target = lay(tmp_path / "one/file", b"content"), tmp_path / "two/name"
    if before is not None:
        lay(target, before)
    for _ in range(2):  # what is linked already stays
        assert storage.duplicate(source, target)
        assert target.samefile(source)
        assert os.listdir(target.parent) == ["name"]
    source.unlink()
    assert target.read_bytes() == b"content"


def test_a_link_to_a_file_gets_no_second_name(tmp_path: Path) -> None:
    lay(tmp_path / "elsewhere/file", b"content")
    (tmp_path / "link").symlink_to("elsewhere/file")
    assert not storage.duplicate(tmp_path / "link", tmp_path / "two/name")
    assert os.listdir(tmp_path / "two") == []


def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    target = lay(tmp_path / "name", b"before")
    assert not storage.duplicate(tmp_path / "gone", target)
    assert target.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["name"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_where_a_file_can_have_no_second_name_nothing_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    source, target = lay(tmp_path / "file", b"content"), lay(tmp_path / "two/name", b"before")
    monkeypatch.setattr(os, "link", Mock(side_effect=OSError(number, "injected")))
    assert not storage.duplicate(source, target)
    assert target.read_bytes() == b"before"
    assert os.listdir(target.parent) == ["name"]


@pytest.mark.parametrize("verb", ["link", "replace"])
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, NoSpace), (errno.EROFS, NoPermission)])
def test_what_else_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, number: int, kind: type[Exception]
) -> None:
    source, target = lay(tmp_path / "file", b"content"), tmp_path / "two/name"
    with monkeypatch.context() as patch:
        patch.setattr(os, verb, Mock(side_effect=OSError(number, "injected")))
        with pytest.raises(kind):
            storage.duplicate(source, target)
    assert os.listdir(target.parent) == []


def test_nothing_is_copied_between_a_folder_and_a_store(tmp_path: Path) -> None:
    source = lay(tmp_path / "file", b"content")
    assert not storage.duplicate(storage.parse("s3://bucket/key"), tmp_path / "name")
    assert not storage.duplicate(source, storage.parse("s3://bucket/key"))
    assert os.listdir(tmp_path) == ["file"]
