"""One annotation: what it says, what it may not do, and a bad object among good ones."""

from __future__ import annotations

import codecs
import contextlib
from pathlib import Path

import pytest
from cputime import bounded_cpu
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from publishedbox import PUBLISHED

from pipeline.annotations import voc
from pipeline.annotations.voc import AnnotatedObject, Annotation, normalise, parse_annotation
from pipeline.errors import BadAnnotation

FISH = AnnotatedObject("n01440764", (34, 128, 430, 305), None)
SIZE = "<size><width>100</width><height>50</height></size>"
CORNERS = ("<xmin>1</xmin>", "<ymin>2</ymin>", "<xmax>3</xmax>", "<ymax>4</ymax>")
GOOD = "<object><name>a</name><bndbox>" + "".join(CORNERS) + "</bndbox></object>"
GOOD_OBJECT = AnnotatedObject("a", (1, 2, 3, 4), None)


READ = Annotation("n01440764_96", 500, 375, (FISH,), FISH.name)


def annotation(*objects: str, size: str = SIZE) -> bytes:
    return f"<annotation>{size}{''.join(objects)}</annotation>".encode()


def boxed(*corners: str) -> str:
    return f"<object><name>b</name><bndbox>{''.join(corners)}</bndbox></object>"


def refusal(content: bytes) -> BadAnnotation:
    with pytest.raises(BadAnnotation) as caught:
        parse_annotation(content)
    return caught.value


def test_a_published_annotation_is_read() -> None:
    assert parse_annotation(PUBLISHED.encode()) == READ


def test_both_ways_of_reading_take_the_published_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    assert voc._plain(PUBLISHED.encode()) == parse_annotation(PUBLISHED.encode())
    monkeypatch.setattr(voc, "_plain", lambda _: None)
    assert parse_annotation(PUBLISHED.encode()) == READ


@given(
    st.integers(0, len(PUBLISHED)),
    st.integers(0, 12),
    st.text("<>/&;! \t\n0123456789.-+eé%sax", max_size=6)
    | st.sampled_from(["<xmin>3</xmin>", "<!-- -->", "<object>", "]]>", "&lt;", "\x0b", "\0"]),
)
def test_the_quick_way_never_differs_from_the_parser_of_xml(at: int, cut: int, put: str) -> None:
    content = (PUBLISHED[:at] + put + PUBLISHED[at + cut :]).encode()
    quick = voc._plain(content)
    if quick is not None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(voc, "_plain", lambda _: None)
            assert parse_annotation(content) == quick


def test_an_annotation_without_objects_has_none() -> None:
    assert parse_annotation(annotation()) == Annotation("", 100, 50, ())


def test_numbers_are_truncated_as_the_scripts_do() -> None:
    corners = "<xmin>64.9</xmin>", "<ymin> 7 </ymin>", "<xmax>-0.5</xmax>", "<ymax>1e1</ymax>"
    (found,) = parse_annotation(annotation(boxed(*corners))).objects
    assert found.corners == (64, 7, 0, 10)


def test_a_size_may_be_no_integer_and_a_file_name_nonsense() -> None:
    content = "<annotation><filename>%s</filename><size><width>100.7</width><height>50</height>"
    found = parse_annotation(f"{content}</size></annotation>".encode())
    assert found == Annotation("%s", 100, 50, ())


def test_corners_may_stand_in_any_order_and_beside_other_elements() -> None:
    corners = CORNERS[3], "<occluded>1</occluded>", CORNERS[1], CORNERS[2], CORNERS[0]
    (found,) = parse_annotation(annotation(boxed(*corners))).objects
    assert found.corners == (1, 2, 3, 4)


def test_a_part_of_an_object_is_not_the_object() -> None:
    part = "<part><name>head</name><bndbox><xmin>9</xmin></bndbox></part>"
    whole = GOOD.replace("</object>", f"{part}</object>")
    assert parse_annotation(annotation(whole)).objects == (GOOD_OBJECT,)


def test_comments_and_instructions_do_not_cut_a_number() -> None:
    corners = ("<xmin>3<!-- x -->4</xmin>", "<ymin>1<?x y?>2</ymin>", *CORNERS[2:])
    (found,) = parse_annotation(annotation(boxed(*corners))).objects
    assert found.corners == (34, 12, 3, 4)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (boxed(*CORNERS[1:]), "no <xmin>"),
        (boxed(*CORNERS[:3]), "no <ymax>"),
        (boxed(*CORNERS, CORNERS[1]), "2 <ymin> instead of one"),
        (boxed("<xmin>four</xmin>", *CORNERS[1:]), "no number in <xmin>: 'four'"),
        (boxed("<xmin/>", *CORNERS[1:]), "no number in <xmin>: ''"),
        (boxed("<xmin>nan</xmin>", *CORNERS[1:]), "no number in <xmin>: 'nan'"),
        (boxed("<xmin>1e999</xmin>", *CORNERS[1:]), "no number in <xmin>: '1e999'"),
        (boxed("<xmin>1<b>2</b></xmin>", *CORNERS[1:]), "no number in <xmin>: '1'"),
        ("<object><name>b</name></object>", "no <bndbox>"),
        (
            f"<object><name>b</name>{2 * ('<bndbox>' + ''.join(CORNERS) + '</bndbox>')}</object>",
            "2 <bndbox> instead of one",
        ),
    ],
)
def test_a_broken_object_does_not_shift_the_others(broken: str, problem: str) -> None:
    objects = parse_annotation(annotation(GOOD, broken, GOOD)).objects
    assert objects == (GOOD_OBJECT, AnnotatedObject("b", None, problem), GOOD_OBJECT)


def test_two_names_are_a_problem_and_none_is_not() -> None:
    none, two = GOOD.replace("<name>a</name>", ""), GOOD.replace("<name>", "<name>b</name><name>")
    objects = parse_annotation(annotation(none, two)).objects
    assert objects[0] == AnnotatedObject("", (1, 2, 3, 4), None)
    assert objects[1] == AnnotatedObject("b", None, "2 <name> instead of one")


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ("", "no <size>"),
        (2 * SIZE, "2 <size> instead of one"),
        ("<size><height>5</height></size>", "no <width>"),
        ("<size><width>5</width></size>", "no <height>"),
        ("<size><width>0</width><height>50</height></size>", "0 x 50 pixels"),
        ("<size><width>9</width><height>-1</height></size>", "9 x -1 pixels"),
        ("<size><width>0.9</width><height>5</height></size>", "0 x 5 pixels"),
        ("<size><width>wide</width><height>5</height></size>", "no number in <width>: 'wide'"),
    ],
)
def test_an_annotation_without_a_size_is_refused(size: str, found: str) -> None:
    error = refusal(annotation(GOOD, size=size))
    assert error.what == "the annotation gives no size of its image"
    assert error.found == found


def test_a_width_of_zero_in_the_published_layout_is_refused() -> None:
    content = PUBLISHED.replace("<width>500", "<width>0").encode()
    assert refusal(content).found == "0 x 375 pixels"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no XML",
        PUBLISHED.encode()[:-20],
        PUBLISHED.encode() + b"<more/>",
        PUBLISHED.replace("<xmax>", "<xmin>").encode(),
        PUBLISHED.replace("500", "\0").encode(),
        PUBLISHED.replace("ILSVRC_2012", "\udcff").encode("utf-8", "surrogateescape"),
        b"<a>" * 1000 + b"</a>" * 1000,
    ],
)
def test_what_is_not_well_formed_is_refused_with_its_line(content: bytes) -> None:
    error = refusal(content)
    assert error.what == "the annotation is not well-formed XML"
    assert error.remedy == "correct it"  # another download would be no different
    assert error.place is not None
    assert error.place.startswith("line ")


def test_another_kind_of_xml_is_refused() -> None:
    assert refusal(b"<html><body/></html>").found == "<html>"


def laughs(depth: int = 9) -> str:
    entities = '<!ENTITY e0 "ha">'
    for level in range(1, depth + 1):
        entities += f'<!ENTITY e{level} "{10 * f"&e{level - 1};"}">'
    return f"<!DOCTYPE annotation [{entities}]>"


def declaring(encoding: str, text: str = "") -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>\n' + PUBLISHED.replace("ILSVRC", text)


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + PUBLISHED.encode(),
        codecs.BOM_UTF8 + declaring("UTF-8", "Universität").encode(),
        declaring("utf-8", "图像").encode(),
        declaring("ISO-8859-1", "Universität").encode("latin-1"),
        declaring("windows-1252", "“quoted”").encode("cp1252"),
        declaring("gb2312", "图像").encode("gb2312"),
        declaring("gb2312", "囍").encode("gbk"),  # a character of the larger set, as is common
        declaring("Shift_JIS", "画像").encode("shift_jis"),
        declaring("Shift_JIS", "①髙").encode("cp932"),
        declaring("Windows-31J", "画像").encode("cp932"),  # as Java calls it
        declaring("x-sjis", "画像").encode("shift_jis"),
        declaring("euc-kr", "사진").encode("euc-kr"),
        declaring("euc-kr", "뷁").encode("cp949"),
        declaring("big5", "裏").encode("cp950"),
        declaring("GB_2312-80", "图像").encode("gb2312"),
        PUBLISHED.encode("utf-16"),
        PUBLISHED.encode("utf-16-be"),
        declaring("utf-16", "图像").encode("utf-16"),
        declaring("UTF-16LE", "图像").encode("utf-16-le"),
        declaring("utf-32", "图像").encode("utf-32"),
        declaring("utf-32", "图像").encode("utf-32-be"),
        declaring("utf-16", "图像").encode(),  # it was changed, and its declaration was not
        declaring("UCS-2").encode(),
        declaring("utf-16", "ILSVRC").replace("utf-16", "us-ascii").encode(),
    ],
)
def test_xml_is_read_in_the_encoding_that_it_declares(content: bytes) -> None:
    assert parse_annotation(content) == READ


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (declaring("x-nowhere").encode(), "the encoding 'x-nowhere'"),
        (declaring("zip_codec").encode(), "the encoding 'zip_codec'"),
        (declaring("punycode").encode(), "the encoding 'punycode'"),
        (declaring("ascii", "ä").encode(), "'ascii' codec"),
        (declaring("utf-16", "a").encode("utf-16")[:-1], "'utf-16-le' codec"),
    ],
)
def test_what_is_not_in_its_encoding_is_refused(content: bytes, found: str) -> None:
    error = refusal(content)
    assert "encoding" in error.what
    assert str(error.found).startswith(found)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32", "utf-7", "cp037"])
@pytest.mark.parametrize(
    "declared",
    [
        "<!DOCTYPE annotation>",
        '<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/voc.dtd">',
        laughs(),
    ],
)
def test_a_document_type_is_refused_in_every_encoding(declared: str, encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?>{declared}<annotation a="&e9;"/>'
    error = refusal(content.encode(encoding))
    assert "document type" in error.what or "well-formed" in error.what


def test_a_file_named_by_an_entity_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("987")
    declared = f'<!DOCTYPE annotation [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    content = declared.encode() + annotation(boxed("<xmin>&x;</xmin>", *CORNERS[1:]))
    error = refusal(content)
    assert error.what == "the annotation declares a document type, which can hide entities"
    assert "987" not in str(error)


def test_the_parser_itself_expands_no_entity(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("987")
    declared = f'<!DOCTYPE annotation [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    root = etree.fromstring(f"{declared}<annotation>&x;</annotation>".encode(), voc._parser())
    assert b"987" not in etree.tostring(root)
    assert root.text is None


def test_an_entity_that_nobody_declared_is_refused() -> None:
    content = annotation(boxed("<xmin>&x;</xmin>", *CORNERS[1:]))
    assert refusal(content).what == "the annotation is not well-formed XML"


@pytest.mark.parametrize(
    ("corners", "box", "repairs"),
    [
        ((10, 5, 50, 25), (0.1, 0.1, 0.5, 0.5), ()),
        ((50, 25, 10, 5), (0.1, 0.1, 0.5, 0.5), ("misordered",)),
        ((50, 5, 10, 25), (0.1, 0.1, 0.5, 0.5), ("misordered",)),
        ((-10, 5, 150, 25), (0.0, 0.1, 1.0, 0.5), ("clamped",)),
        ((150, 60, 50, 25), (0.5, 0.5, 1.0, 1.0), ("misordered", "clamped")),
        ((0, 0, 100, 50), (0.0, 0.0, 1.0, 1.0), ()),
        ((10, 5, 10, 25), None, ()),
        ((10, 25, 50, 25), None, ()),
        ((101, 5, 140, 25), None, ("clamped",)),
        ((-9, 5, -1, 25), None, ("clamped",)),
    ],
)
def test_a_box_is_put_in_order_then_cut_then_judged(
    corners: voc.Corners, box: tuple[float, ...] | None, repairs: tuple[str, ...]
) -> None:
    assert normalise(corners, 100, 50) == (box, repairs)


def test_a_box_too_thin_for_four_digits_stays() -> None:
    box, _ = normalise((10_000_000, 0, 10_000_001, 1), 100_000_000, 1)
    assert box == (0.1, 0.0, 0.10000001, 1.0)


@given(st.tuples(*[st.integers(-(10**9), 10**9)] * 4), st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_box_that_stays_lies_inside_and_has_an_area(
    corners: voc.Corners, width: int, height: int
) -> None:
    box, _ = normalise(corners, width, height)
    if box:
        assert 0 <= box[0] < box[2] <= 1
        assert 0 <= box[1] < box[3] <= 1


def test_an_annotation_of_more_objects_than_any_has_is_refused() -> None:
    size = "<size><width>9</width><height>9</height></size>"
    most = f"<annotation>{size}{'<object/>' * voc.MAX_OBJECTS}</annotation>"
    assert len(parse_annotation(most.encode()).objects) == voc.MAX_OBJECTS
    with pytest.raises(BadAnnotation, match="too many objects"):
        parse_annotation(most.replace("<size>", "<object/><size>").encode())


@pytest.mark.parametrize(
    "flood",
    [
        "<a" + "".join(f" b{number}=''" for number in range(90_000)) + "/>",
        "<a" + "".join(f" xmlns:b{number}='c'" for number in range(50_000)) + "/>",
        "<a>" * 200 + "</a>" * 200 + "<a/>" * 200_000,
        "<a>&#65;" + "&lt;" * 200_000 + "</a>",
    ],
    ids=["attributes", "namespaces", "elements", "references"],
)
def test_a_flood_of_anything_else_takes_a_bounded_time(flood: str) -> None:
    size = "<size><width>9</width><height>9</height></size>"
    with bounded_cpu(), contextlib.suppress(BadAnnotation):
        found = parse_annotation(f"<annotation>{size}{flood}</annotation>".encode())
        assert found.objects == ()
