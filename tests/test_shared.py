"""What is made once for all tests can be made again where making it has failed."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import shared


def test_what_could_not_be_made_is_made_by_the_next_test_that_asks_for_it() -> None:
    name = f"tried-{uuid.uuid4().hex}"

    def fail(folder: Path) -> None:
        (folder / "half").write_bytes(b"")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        shared.once(name, fail)
    folder = shared.once(name, lambda folder: (folder / "whole").write_bytes(b""))
    assert [path.name for path in folder.iterdir()] == ["whole"]
