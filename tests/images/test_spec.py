from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.images.spec import EncodeSpec


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"encoding": ".gif"}, "'.gif'"),
        ({"quality": 0}, "0"),
        ({"quality": 101}, "101"),
        ({"quality": True}, "True"),
        ({"quality": -1, "encoding": ".png"}, "-1"),
        ({"subsampling": "411"}, "'411'"),
        ({"color": 2}, "2"),
        ({"orientation": "turn"}, "'turn'"),
        ({"transforms": (3,)}, "(3,)"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(wrong: dict[str, Any], found: str) -> None:
    with pytest.raises(UsageError) as caught:
        EncodeSpec(**wrong)
    assert caught.value.found == found
    assert caught.value.expected


def test_the_refusal_tells_what_can_be_asked() -> None:
    with pytest.raises(UsageError) as caught:
        EncodeSpec(orientation="turn")  # type: ignore[arg-type]
    assert caught.value.expected == "bake, keep, ignore, refuse"
    with pytest.raises(UsageError) as caught:
        EncodeSpec(quality=101)
    assert caught.value.expected == "1 to 100"


@pytest.mark.parametrize(
    ("encoding", "quality", "effort"),
    [(".jpg", None, 95), (".jpg", 30, 30), (".png", None, 6), (".png", 2, 2), (".png", 95, 9)],
)
def test_quality_is_of_a_jpeg_or_the_level_of_a_png(
    encoding: Any, quality: int | None, effort: int
) -> None:
    assert EncodeSpec(encoding=encoding, quality=quality).effort == effort
