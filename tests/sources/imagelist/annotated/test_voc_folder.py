"""Folders of annotations of VOC: what is taken, what is counted, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawnannotations import draw_voc, voc
from drawnlists import lay

from pipeline.catalog import objects
from pipeline.errors import BadAnnotation
from pipeline.sources.imagelist.annotated import voc_folder
from pipeline.sources.imagelist.folder import EXTENSIONS

NO_PIXELS = "<size><width>0</width><height>0</height></size>"


def box(*corners: int, name: str = "cat", more: str = "") -> str:
    tags = ("xmin", "ymin", "xmax", "ymax")
    inner = "".join(f"<{tag}>{each}</{tag}>" for tag, each in zip(tags, corners, strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{inner}</bndbox></object>"


def test_corners_are_pixels_from_1_of_which_both_belong_to_the_object(tmp_path: Path) -> None:
    lay(tmp_path / "a.xml", voc("a.jpg", box(1, 2, 50, 40) + box(0, 1, 5, 5)))
    (image,) = voc_folder.read(tmp_path).images
    assert image.boxes[0].box == (0.0, 1 / 40, 1.0, 1.0)
    assert image.boxes[1].box == (0.0, 0.0, 5 / 50, 5 / 40)


def test_flags_are_kept(tmp_path: Path) -> None:
    more = "<truncated>1</truncated><difficult>1</difficult><occluded>0</occluded>"
    lay(tmp_path / "a.xml", voc("a.jpg", box(1, 1, 5, 5, more=more) + box(1, 1, 5, 5)))
    first, second = voc_folder.read(tmp_path).images[0].boxes
    assert first.flags == objects.TRUNCATED | objects.DIFFICULT
    assert first.known == first.flags | objects.OCCLUDED
    assert (second.flags, second.known) == (0, 0)


def test_images_are_called_by_their_annotations(tmp_path: Path) -> None:
    lay(tmp_path / "a/1.xml", voc("x.jpg", box(1, 1, 5, 5)))
    lay(tmp_path / "a/2.xml", voc("b/x.jpg", ""))
    lay(tmp_path / "notes.txt", b"")
    found = voc_folder.read(tmp_path)
    assert [image.path for image in found.images] == ["a/x.jpg", "b/x.jpg"]
    assert [len(image.boxes) for image in found.images] == [1, 0]
    assert found.notes == ("left out: 1 file beside the annotations",)


def test_a_box_without_an_area_is_counted(tmp_path: Path) -> None:
    lay(tmp_path / "a.xml", voc("a.jpg", box(5, 1, 4, 5)))
    lay(tmp_path / "b.xml", voc("b.jpg", box(4, 1, 5, 5)))
    found = voc_folder.read(tmp_path)
    assert found.images[0].boxes == ()
    assert found.notes == ("left out: 1 box without an area",)
    (tmp_path / "b.xml").unlink()
    with pytest.raises(BadAnnotation, match="no object has a box with an area") as refusal:
        voc_folder.read(tmp_path)
    assert refusal.value.file == str(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("content", "place", "what"),
    [
        (voc("a.jpg", box(1, 1, 52, 5)), "object 1", "a box outside of its image"),
        (voc("a.jpg", box(1, 1, 5, 5, name="")), "object 1", "an object without a class or a box"),
        (voc("a.jpg", "<object><name>a</name></object>"), "object 1", "an object without a class"),
        (voc("a.jpg", box(1, 1, 5, 5, name="a\nb")), "object 1", "a <name> that can be no class"),
        (voc("", ""), "<filename>", "the annotation does not say which file"),
        (voc("%s", ""), "<filename>", "the annotation does not say which file"),
        (voc("../a.jpg", ""), "<filename>", "a path that leaves the folder"),
        (voc("a.jpg", "", size="<size/>"), None, "the annotation gives no size"),
        (voc("a.jpg", "", size=NO_PIXELS), None, "the annotation gives no size"),
        (b"<annotations/>", None, "the XML is no annotation"),
        (b"<annotation>", "line 1", "the annotation is not well-formed XML"),
    ],
)
def test_what_is_wrong_is_refused_with_its_file(
    tmp_path: Path, content: bytes, place: str | None, what: str
) -> None:
    path = lay(tmp_path / "b/a.xml", content)
    with pytest.raises(BadAnnotation) as refusal:
        voc_folder.read(tmp_path)
    assert (refusal.value.file, refusal.value.place) == (str(path), place)
    assert refusal.value.what.startswith(what)
    assert refusal.value.expected
    assert refusal.value.found
    assert refusal.value.remedy


def test_two_annotations_of_one_image_are_refused(tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml"):
        lay(tmp_path / name, voc("x.jpg", ""))
    with pytest.raises(BadAnnotation, match="two annotations are of one image"):
        voc_folder.read(tmp_path)


def test_a_folder_is_one_if_no_image_precedes_an_annotation(tmp_path: Path) -> None:
    drawn = draw_voc(tmp_path)
    assert voc_folder.is_one(drawn.path, EXTENSIONS)
    assert not voc_folder.is_one(drawn.root, EXTENSIONS)
    lay(drawn.path / "z.jpg", b"")
    assert not voc_folder.is_one(drawn.path, EXTENSIONS)
