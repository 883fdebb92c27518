"""Lists of images: every line is an image, or the list is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputRefused, UsageError
from pipeline.sources.openimages import text_lists

ID = "0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


def test_images_of_each_split_keep_their_order(file: Path) -> None:
    other = ID[::-1]
    file.write_bytes(f"\ufefftrain/{other}\r\ntest/{ID}\r\ntrain/{ID}\r\ntrain/{other}".encode())
    assert text_lists.images(file) == {"train": [other, ID], "test": [ID]}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", "a blank line"),
        ("  ", "'  '"),
        (ID, f"'{ID}'"),
        (f"val/{ID}", f"'val/{ID}'"),
        (f"train/{ID}.jpg", f"'train/{ID}.jpg'"),
        (f"train/{ID.upper()}", f"'train/{ID.upper()}'"),
        (f"train/{ID[:15]}", f"'train/{ID[:15]}'"),
        (f"train/{ID}0", f"'train/{ID}0'"),
        ("train/12xyz", "'train/12xyz'"),
        (f" train/{ID}", f"' train/{ID}'"),
        (f"x train/{ID}", f"'x train/{ID}'"),
        (f"train\\{ID}", f"'train\\\\{ID}'"),
    ],
)
def test_a_line_that_is_no_image_is_named_and_not_cut_to_fit(
    file: Path, line: str, found: str
) -> None:
    file.write_text(f"train/{ID}\n{line}\ntest/{ID}\nnothing\n")
    with pytest.raises(InputRefused, match="a line that names no image; so are 1") as refused:
        text_lists.images(file)
    assert (refused.value.place, refused.value.found) == ("line 2", found)


def test_an_empty_list_and_none_are_refused(file: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        text_lists.images(file)
    file.write_text("")
    with pytest.raises(InputRefused, match="a list without a line") as refused:
        text_lists.images(file)
    assert refused.value.remedy == "name an image in each line"


def test_a_file_that_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(f"train/{ID}\n\xff\xfe".encode("latin-1"))
    with pytest.raises(UsageError, match="a file that is no text") as refused:
        text_lists.images(file)
    assert refused.value.place == "line 2"
