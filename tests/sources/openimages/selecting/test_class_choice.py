"""Which classes are chosen, and which index each has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.annotations.openimages import classes, hierarchy
from pipeline.errors import UsageError
from pipeline.job.selection_options import SelectionOptions
from pipeline.sources.openimages.selecting.chosen import Chosen
from pipeline.sources.openimages.selecting.class_choice import ClassFiles, choose

THING, VEHICLE, CAR, TAXI, BOAT, WHEEL, TOY = (f"/m/0{digit}" for digit in "7654321")
NAMES = {
    THING: "Thing on wheels",
    VEHICLE: "Vehicle",
    CAR: "Car",
    TAXI: "Taxi",
    BOAT: "Boat",
    WHEEL: "Wheel",
    TOY: "Kitchen & dining room table",
}


def node(mid: str, *below: dict[str, Any], parts: Sequence[str] = ()) -> dict[str, Any]:
    nodes = {"Subcategory": list(below), "Part": [{"LabelName": part} for part in parts]}
    return {"LabelName": mid, **{name: value for name, value in nodes.items() if value}}


@pytest.fixture
def files(tmp_path: Path) -> ClassFiles:
    """Return classes of which taxis are both cars and things on wheels."""
    table, tree = tmp_path / "classes.csv", tmp_path / "hierarchy.json"
    table.write_text("".join(f"{mid},{name}\r\n" for mid, name in NAMES.items()))
    car = node(CAR, node(TAXI), parts=[WHEEL])
    root = node("/m/0bl9f", node(VEHICLE, car, node(BOAT)), node(THING, node(TAXI)), node(TOY))
    tree.write_text(json.dumps(root))
    return ClassFiles(classes.read(table), hierarchy.read(tree))


def members(found: Chosen) -> dict[str, tuple[str, ...]]:
    assert [each.index for each in found.classes] == list(range(len(found.classes)))
    return {each.mid: each.members for each in found.classes}


def test_indexes_are_by_mid_whatever_the_order_of_the_words(files: ClassFiles) -> None:
    asked = ("vehicle", BOAT, "kitchen_&_dining ROOM table", "Boat")
    found = choose(SelectionOptions(classes=asked), files)
    assert [(each.mid, each.name) for each in found.classes] == [
        (TOY, "Kitchen & dining room table"),
        (BOAT, "Boat"),
        (VEHICLE, "Vehicle"),
    ]
    assert found.selecting == {TOY, BOAT, VEHICLE}
    assert found.notes == ()


def test_subclasses_are_classes_of_their_own_each_once_and_no_parts(files: ClassFiles) -> None:
    asked = SelectionOptions(classes=("Vehicle", "Thing on wheels"), with_subclasses=True)
    assert members(choose(asked, files)) == {
        mid: (mid,) for mid in (BOAT, TAXI, CAR, VEHICLE, THING)
    }


def test_merged_subclasses_are_of_the_nearest_chosen_class(files: ClassFiles) -> None:
    merged = SelectionOptions(classes=("Vehicle",), merge_subclasses=True)
    assert members(choose(merged, files)) == {VEHICLE: (VEHICLE, CAR, BOAT, TAXI)}
    both = SelectionOptions(classes=("Vehicle", "Car"), merge_subclasses=True)
    assert members(choose(both, files)) == {CAR: (CAR, TAXI), VEHICLE: (VEHICLE, BOAT)}


def test_a_subclass_of_two_chosen_classes_is_not_merged_into_one_by_chance(
    files: ClassFiles,
) -> None:
    asked = SelectionOptions(classes=("Vehicle", "Thing on wheels"), merge_subclasses=True)
    with pytest.raises(UsageError, match="a subclass of two chosen classes") as refused:
        choose(asked, files)
    assert (
        refused.value.found == f"Taxi ({TAXI}) below Vehicle ({VEHICLE}), Thing on wheels ({THING})"
    )
    also = SelectionOptions(classes=("Vehicle", "Thing on wheels", TAXI), merge_subclasses=True)
    assert members(choose(also, files))[TAXI] == (TAXI,)


def test_classes_are_taken_out_again_and_their_subclasses_stay(files: ClassFiles) -> None:
    asked = SelectionOptions(classes=("Vehicle",), with_subclasses=True, exclude=("car", "Wheel"))
    found = choose(asked, files)
    assert list(members(found)) == [BOAT, TAXI, VEHICLE]
    assert found.notes == (
        f"--except car: 1 subclass stays chosen: Taxi ({TAXI}).",
        f"--except Wheel: Wheel ({WHEEL}) was not chosen.",
    )
    merged = SelectionOptions(classes=("Vehicle",), merge_subclasses=True, exclude=(VEHICLE, TAXI))
    assert members(choose(merged, files)) == {VEHICLE: (CAR, BOAT)}


def test_nothing_left_is_refused(files: ClassFiles) -> None:
    with pytest.raises(UsageError, match="no class is left"):
        choose(SelectionOptions(classes=("Boat",), exclude=("Boat",)), files)


def test_other_objects_need_all_classes_and_select_no_image(files: ClassFiles) -> None:
    found = choose(SelectionOptions(classes=("Boat",), all_objects=True), files)
    assert list(members(found)) == sorted(NAMES)
    assert found.selecting == {BOAT}
    assert found.described() != choose(SelectionOptions(classes=tuple(NAMES)), files).described()


def test_a_file_of_classes(files: ClassFiles, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_bytes(f"\ufeff# mine\r\nboat\r\n\r\n{CAR},Car\r\n".encode())
    found = choose(SelectionOptions(classes_file=str(file), classes=("Taxi",)), files)
    assert list(members(found)) == [BOAT, TAXI, CAR]
    file.write_text("Boat\nCra\n")
    with pytest.raises(UsageError) as refused:
        choose(SelectionOptions(classes_file=str(file)), files)
    assert (refused.value.file, refused.value.place) == (str(file), "line 2")
    assert "Car" in str(refused.value.expected)


def test_the_order_of_a_file(files: ClassFiles, tmp_path: Path) -> None:
    file = tmp_path / "order.txt"
    file.write_text("Taxi\nBoat\nCar\n")
    asked = SelectionOptions(classes=("Car", "Boat", "Taxi"), class_order=str(file))
    found = choose(asked, files)
    assert [each.mid for each in found.classes] == [TAXI, BOAT, CAR]
    by_mid = choose(SelectionOptions(classes=("Car", "Boat", "Taxi")), files)
    assert found.described() != by_mid.described()


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("Boat", f"missing: Car ({CAR})"),
        ("Boat\nCar\nTaxi", f"not chosen: Taxi ({TAXI})"),
        ("Boat\nCar\nboat", f"twice: Boat ({BOAT})"),
    ],
)
def test_an_order_of_other_classes_is_refused(
    files: ClassFiles, tmp_path: Path, lines: str, found: str
) -> None:
    file = tmp_path / "order.txt"
    file.write_text(lines)
    with pytest.raises(UsageError, match="--class-order: not the chosen classes") as refused:
        choose(SelectionOptions(classes=("Car", "Boat"), class_order=str(file)), files)
    assert refused.value.found == found


def test_classes_without_masks_are_named_with_those_that_have_some(files: ClassFiles) -> None:
    masks = ClassFiles(files.names, files.hierarchy, (CAR, TOY))
    asked = SelectionOptions(classes=("Boat", "Car"), by="masks")
    with pytest.raises(UsageError, match="1 chosen class without masks") as refused:
        choose(asked, masks)
    assert refused.value.found == f"Boat ({BOAT})"
    assert refused.value.expected == (
        "some of the 2 that have masks: Car, Kitchen & dining room table"
    )
    merged = SelectionOptions(classes=("Vehicle",), by="masks", merge_subclasses=True)
    assert list(members(choose(merged, masks))) == [VEHICLE]
    asked = SelectionOptions(classes=("Vehicle",), by="masks", with_subclasses=True)
    assert len(choose(asked, masks).classes) == 4
    with pytest.raises(UsageError, match="1 chosen class without masks"):
        choose(replace(asked, exclude=("Car",)), masks)
