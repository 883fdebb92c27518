"""What is not there is said not to be there, and a link that leads nowhere is named as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawnlists import encoded, lay
from inprocess import shardmill

ABSENT = "there is no such list or folder of images"
LOOP = "a link leads back to itself"
NOWHERE = "a link leads nowhere"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path / "img" / "0.jpg", encoded(0))
    (tmp_path / "a.lst").write_text("0\t0\t0.jpg\n")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("elsewhere")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("imagelist imgs --recursive", ABSENT),
        ("imagelist imgs --exts .jpg", ABSENT),
        ("imagelist a.lst --recursive", "have a meaning with a folder only"),
        ("imagelist loop --recursive", LOOP),
        ("imagelist a.lst --root loop", LOOP),
        ("imagelist a.lst --root gone", NOWHERE),
        ("imagelist a.lst --root imgs", "there is no such folder of images"),
        ("im2rec a.lst loop/ a.rec", LOOP),
        ("im2rec a gone", NOWHERE),
        ("im2rec a imgs", "there is no such folder of images"),
    ],
)
def test_it_is_named(
    here: Path, out: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    command, *rest = words.split()
    ran = shardmill(
        monkeypatch, command, *rest, *(("--out", out) if command == "imagelist" else ())
    )
    assert ran.status in (1, 2)
    assert said in ran.said
    assert not out.exists()
