"""What the first page says of images that are left out, and of how the others are stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from benchmarks.report_scale import gathered
from pipeline.documents.shards import LeftOutImage
from pipeline.images.prepare import PLAIN
from pipeline.report.gathered import Gathered
from pipeline.report.index_page import _reason, _stored


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("cut off: /data/root/a.jpg", "cut off: a.jpg"),
        ("/my data/of (1) root/a.jpg is cut off", "a.jpg is cut off"),
        ("'/data/a.jpg' and '/data/b/a.jpg' are one", "'a.jpg' and 'a.jpg' are one"),
        (
            "expected 3 / 4 channels; found 2: /data/a.jpg",
            "expected 3 / 4 channels; found 2: a.jpg",
        ),
        ("see /proc/meminfo; /data/a.jpg needs more", "see /proc/meminfo; a.jpg needs more"),
        ("absent: https://host/data/a.jpg", "absent: https://host/data/a.jpg"),
        ("absent: s3://bucket/data/a.jpg", "absent: s3://bucket/data/a.jpg"),
        ("no such file: root/a.jpg", "no such file: root/a.jpg"),
    ],
)
def test_a_reason_has_no_path_of_this_machine_and_all_else(reason: str, said: str) -> None:
    image = LeftOutImage(key="a.jpg", source="root/a.jpg", offset=0, reason=reason)
    assert _reason(image) == said


def of_options(resize: int, *, repaired: int) -> Gathered:
    """Return a set whose first split has images of a size and so many that were repaired."""
    whole = gathered(Path("OUT"))
    first, *others = whole.splits
    document = first.output.document
    assert document is not None
    document = msgspec.structs.replace(
        document,
        parameters=msgspec.structs.replace(
            document.parameters, image=replace(PLAIN, resize=resize) if resize else PLAIN
        ),
        counts=msgspec.structs.replace(document.counts, repaired=repaired),
    )
    split = replace(first, output=replace(first.output, document=document))
    return replace(whole, splits=(split, *others))


def test_images_are_said_to_be_as_they_were_only_where_they_are() -> None:
    every, other = "Every image", "Every other image"
    as_it_was = "is stored byte for byte as it was"
    asked = "of train is encoded anew, as the options of the command ask."
    assert _stored(of_options(0, repaired=0)) == f"{every} {as_it_was}, and none is left out."
    assert _stored(of_options(0, repaired=1)) == f"{other} {as_it_was}."
    assert _stored(of_options(256, repaired=0)) == f"{every} {asked}"
