"""Small documents that processes exchange in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import NoPermission
from pipeline.storage.local import exclusive


def test_a_document_that_may_not_be_read_is_seen_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NoPermission("another user's")

    monkeypatch.setattr("pipeline.storage.local.listing.read_bytes", refuse)
    (tmp_path / "a.json").write_text("{}")
    before = exclusive.small_documents(tmp_path)
    assert exclusive.small_documents(tmp_path) == before
    (tmp_path / "a.json").write_text('{"renewed": 1}')
    assert exclusive.small_documents(tmp_path) != before
    assert exclusive.exchange(tmp_path / "a.json", before["a.json"], b"mine") is None
