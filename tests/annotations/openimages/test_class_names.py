"""Names and MIDs of classes, and which class is a kind of which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.annotations.openimages import changed_names, classes, hierarchy
from pipeline.errors import BadAnnotation, UsageError

NAMES = {
    "/m/0cmf2": "Fixed-wing aircraft",
    "/m/01dws": "Bear",
    "/m/01dwsz": "Waffle",
    "/m/0h8n5zk": "Kitchen & dining room table",
    "/m/0gxl3": "Handgun",
    "/m/02wvth": 'Fiat 500 "topolino", red',
}
CONTENT = "".join(
    '{},"{}"\r\n'.format(mid, name.replace('"', '""')) if '"' in name else f"{mid},{name}\r\n"
    for mid, name in NAMES.items()
)


def read(tmp_path: Path, content: str) -> classes.ClassNames:
    path = tmp_path / "classes.csv"
    path.write_bytes(content.encode())
    return classes.read(path)


@pytest.mark.parametrize("header", ["", "LabelName,DisplayName\r\n", "\ufeffid,name\n", "\n"])
def test_classes_are_read_with_a_first_line_or_without(tmp_path: Path, header: str) -> None:
    assert dict(read(tmp_path, header + CONTENT).names) == NAMES


@pytest.mark.parametrize(
    ("text", "mid"),
    [
        ("/m/01dws", "/m/01dws"),
        ("Bear", "/m/01dws"),
        ("bEAR", "/m/01dws"),
        ("Kitchen_&_dining_room_table", "/m/0h8n5zk"),
        ("airplane", "/m/0cmf2"),
        ("Fixed-wing aircraft", "/m/0cmf2"),
        ('fiat 500 "topolino", red', "/m/02wvth"),
    ],
)
def test_a_class_is_called_by_mid_or_by_its_name_in_any_version(
    tmp_path: Path, text: str, mid: str
) -> None:
    assert read(tmp_path, CONTENT).mid_of(text) == mid


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Handgn", "Handgun (/m/0gxl3)"),
        ("/m/0gxl", "Handgun (/m/0gxl3)"),
        ("m0gxl3", "Handgun (/m/0gxl3)"),
        ("gun", "Handgun (/m/0gxl3)"),
        ("zzz", "the name or MID"),
        ("", "the name or MID"),
    ],
)
def test_what_is_no_class_is_refused_with_those_near(tmp_path: Path, text: str, near: str) -> None:
    with pytest.raises(UsageError, match="no such class") as refused:
        read(tmp_path, CONTENT).mid_of(text)
    assert near in str(refused.value.expected)


def test_a_name_of_several_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="several classes") as refused:
        read(tmp_path, "/m/01,Bow\n/m/02,bow\n").mid_of("Bow")
    assert "Bow (/m/01), bow (/m/02)" in str(refused.value.expected)


def test_a_name_of_this_version_goes_before_one_of_another(tmp_path: Path) -> None:
    named = read(tmp_path, "/m/013y1f,Organ (Musical Instrument)\n/m/01,Organ\n")
    assert named.mid_of("organ") == "/m/01"


def test_classes_are_looked_for_by_words(tmp_path: Path) -> None:
    named = read(tmp_path, CONTENT)
    assert named.find("table KITCHEN") == ["/m/0h8n5zk"]
    assert named.find("01dws") == ["/m/01dws", "/m/01dwsz"]
    assert named.find("waffle bear") == []


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        ("/m/01,A\n/m/02\n", 2, "other fields"),
        ("/m/01,A\n/m/02,B,C\n", 2, "other fields"),
        ("/m/01,A\n/m/01,B\n", 2, "twice"),
        ("/m/01,A\nm02,B\n", 2, "without a MID"),
        ("/m/01, \n", 1, "without a name"),
        ("", 1, "no class"),
        ("LabelName,DisplayName\n", 1, "no class"),
        ('/m/01,A\n/m/02,"B\n', 2, "no CSV"),
    ],
)
def test_classes_of_another_form_are_refused(
    tmp_path: Path, content: str, line: int, what: str
) -> None:
    with pytest.raises(BadAnnotation, match=what) as refused:
        read(tmp_path, content)
    assert refused.value.place == f"line {line}"


def test_every_changed_name_means_one_class() -> None:
    meant = dict[str, set[str]]()
    for mid, names in changed_names.CHANGED.items():
        for name in names:
            meant.setdefault(name.casefold(), set()).add(mid)
    assert all(len(mids) == 1 for mids in meant.values())
    assert changed_names.names("/m/0cmf2", "Airplane")["V7"] == "Fixed-wing aircraft"
    assert changed_names.names("/m/01dws", "Bear")["V4"] == "Bear"


def test_mids_are_read_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "classes-segmentation.txt"
    path.write_bytes(b"/m/01dws\r\n/m/0gxl3\n")
    assert classes.read_mids(path) == ("/m/01dws", "/m/0gxl3")
    path.write_bytes(b"/m/01dws\nBear\n")
    with pytest.raises(BadAnnotation, match="no MID") as refused:
        classes.read_mids(path)
    assert refused.value.place == "line 2"


def node(mid: str, *kinds: object, part: tuple[object, ...] = ()) -> dict[str, object]:
    return {"LabelName": mid, "Subcategory": list(kinds), **({"Part": list(part)} if part else {})}


def tree(tmp_path: Path, root: object) -> hierarchy.Hierarchy:
    path = tmp_path / "hierarchy.json"
    path.write_text(json.dumps(root))
    return hierarchy.read(path)


def test_kinds_are_followed_and_parts_are_not(tmp_path: Path) -> None:
    car = node("/m/car", node("/m/taxi"), part=(node("/m/wheel", node("/m/rim")),))
    root = node("/m/root", node("/m/vehicle", car, node("/m/bus")), node("/m/toy", car))
    classes_below = tree(tmp_path, root)
    assert classes_below.descendants("/m/vehicle") == ("/m/car", "/m/bus", "/m/taxi")
    assert classes_below.descendants("/m/toy") == ("/m/car", "/m/taxi")
    assert classes_below.descendants("/m/taxi") == ()
    assert classes_below.descendants("/m/wheel") == ("/m/rim",)
    assert classes_below.parents["/m/car"] == ("/m/vehicle", "/m/toy")


def test_a_hierarchy_that_leads_back_to_itself_ends(tmp_path: Path) -> None:
    root = node("/m/a", node("/m/b", node("/m/a", node("/m/c"))))
    assert tree(tmp_path, root).descendants("/m/a") == ("/m/b", "/m/c")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"LabelName": 3}', '{"Subcategory": [{}]}', "[" * 100_000, "{"]
)
def test_what_is_no_hierarchy_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "hierarchy.json"
    path.write_text(content)
    with pytest.raises(BadAnnotation, match="no hierarchy"):
        hierarchy.read(path)
