"""Images that whoever reads them names: what is refused, and that many are cataloged in parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawnlists import encoded, lay

from pipeline.catalog import table as catalog
from pipeline.errors import InputRefused
from pipeline.job.options import Job
from pipeline.sources.named_files import Named, NamedFiles
from pipeline.sources.source import Split


def source(root: Path, images: list[Named]) -> NamedFiles:
    job = Job("", "", "", images=str(root / "images.csv"), root=str(root))
    return NamedFiles.of(job, Split("pets", "pets", has_classes=True), root / "images.csv", images)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the images a.jpg and b.jpg."""
    for number, name in enumerate(("a.jpg", "b.jpg")):
        lay(tmp_path / name, encoded(number))
    return tmp_path


@pytest.mark.parametrize(
    ("second", "what"),
    [
        (("a.jpg", 1), "named before"),
        (("c.jpg", 1), "no such image"),
        (("", 1), "not a path"),
        (("b\t.jpg", 1), "not a path"),
        (("b.jpg", -1), "not a class"),
        (("b.jpg", 1 << 31), "not a class"),
    ],
)
def test_an_image_that_cannot_be_stored_is_refused_by_its_number(
    root: Path, second: Named, what: str
) -> None:
    with pytest.raises(InputRefused, match=what) as refusal:
        source(root, [("a.jpg", 0), second])
    assert refusal.value.place == "image 2"


def test_no_image_at_all_is_refused(root: Path) -> None:
    with pytest.raises(InputRefused, match="names no image"):
        source(root, [])


def test_the_catalog_comes_in_parts_in_the_order_of_the_names(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "ROWS", 1)
    parts = list(source(root, [("b.jpg", 4), ("a.jpg", 0)]).rows(root, None))
    rows = [row for part in parts for row in catalog.dicts(part)]
    assert len(parts) == 2
    assert [(row["key"], row["class_index"], row["id"], row["line"]) for row in rows] == [
        ("b.jpg", 4, 0, 1),
        ("a.jpg", 0, 1, 2),
    ]


def test_its_identity_changes_with_an_image_of_another_size_a_class_and_the_order(
    root: Path,
) -> None:
    images: list[Named] = [("a.jpg", 0), ("b.jpg", 1)]
    found = [source(root, images).identity()]
    found += [source(root, images[::-1]).identity()]
    found += [source(root, [("a.jpg", 0), ("b.jpg", 2)]).identity()]
    lay(root / "b.jpg", encoded(1) + b" ")
    found += [source(root, images).identity()]
    assert len({each["list"] for each in found}) == len(found)
