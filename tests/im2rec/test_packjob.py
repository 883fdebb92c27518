from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.im2rec.job import PackJob, Part, encode_spec, pass_through_spec
from pipeline.images.transforms import Resize


def job(output: str = "out/a.rec", **options: Any) -> PackJob:
    return PackJob(Path("in/a.lst"), Path("root"), Path(output), **options)


def test_the_files_stand_side_by_side() -> None:
    names = [path.name for path in job("out/my.set.rec", listed="my.set.lst").targets.all]
    assert names == ["my.set.rec", "my.set.idx", "my.set.lst", "my.set.manifest.json"]
    assert [path.name for path in job("out/a.bin").targets.all] == [
        "a.bin",
        "a.idx",
        "a.manifest.json",
    ]


def test_the_files_of_parts_do_not_meet() -> None:
    targets = job("out/a.rec", part=Part(7, 12)).targets
    assert targets.records == Path("out/a.rec.part007")
    assert targets.index == Path("out/a.rec.part007.idx")
    assert targets.manifest == Path("out/a.rec.part007.manifest.json")


@pytest.mark.parametrize(
    ("output", "options"),
    [("in/a.lst", {}), ("in/x/../a.rec", {"listed": "a.lst"}), ("out/a.idx", {})],
)
def test_an_output_in_the_place_of_the_list_or_another_is_refused(
    output: str, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="take the place"):
        job(output, **options)


@pytest.mark.parametrize("options", [{"threads": 0}, {"error_limit": -1}, {"batch_size": 0}])
def test_numbers_out_of_their_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="too small"):
        job(**options)


@pytest.mark.parametrize(("number", "of"), [(1, 1), (-1, 2), (0, 0)])
def test_a_part_that_there_is_not_is_refused(number: int, of: int) -> None:
    with pytest.raises(UsageError, match="no such part"):
        Part(number, of)


def test_images_that_lie_turned_are_treated_as_im2rec_does() -> None:
    assert [encode_spec(color=color).orientation for color in (1, 0, -1)] == [
        "bake",
        "bake",
        "ignore",
    ]
    assert pass_through_spec(orientation=None, transcode=False).orientation == "keep"


def shrink(pixels: Any) -> Any:
    return pixels


class Shrink:
    def __call__(self, pixels: Any) -> Any:
        return pixels


def test_parameters_are_plain_and_hold_no_address() -> None:
    spec = encode_spec((Resize(3), shrink, Shrink()))
    parameters = job(spec=spec, threads=7, error_limit=3, batch_size=5).parameters()
    assert parameters == job(spec=spec).parameters()
    encode = parameters["encode"]
    assert isinstance(encode, dict)
    assert encode["transforms"] == [
        "Resize(size=3, mode=None, never_enlarge=False, filter=None)",
        f"{__name__}.shrink",
        f"{__name__}.Shrink",
    ]
