"""The files of the drawn set of Open Images, in the columns and forms of the published ones."""

from __future__ import annotations

import base64
import csv
import io
import json
import random
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pipeline.sample.archives import chance
from pipeline.sample.openimages_drawing import DrawnImage, DrawnObject
from pipeline.sample.openimages_plan import CLASSES, RENAMED, WITH_MASKS, Split

_BOXES: Final = (
    *("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax"),
    *("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside"),
)
_CLICKS: Final = tuple(f"XClick{number}{axis}" for axis in "XY" for number in range(1, 5))
_MASKS: Final = (
    *("MaskPath", "ImageID", "LabelName", "BoxID", "BoxXMin", "BoxXMax", "BoxYMin", "BoxYMax"),
    *("PredictedIoU", "Clicks"),
)
_LABELS: Final = ("ImageID", "Source", "LabelName", "Confidence")
_IMAGES: Final = (
    *("ImageID", "Subset", "OriginalURL", "OriginalLandingURL", "License", "AuthorProfileURL"),
    *("Author", "Title", "OriginalSize", "OriginalMD5", "Thumbnail300KURL", "Rotation"),
)
_AUTHORS: Final = ("Ada Example", 'Bo "Bobby" Sample', "Čeněk Vzor", "名無し", "Doe, Jane")
_TITLES: Final = (
    *(
        "Morning",
        "A table, set for four",
        'The "last" one',
        "Línea uno\nlínea dos",
        "",
        "  spaces ",
    ),
    "Zoë & Søren, 2012; #7",
)
_NODE: Final = "LabelName"
_ZIP_TIME: Final = (2019, 5, 8, 0, 0, 0)
_DIGITS: Final = "0123456789abcdef"


def boxes(images: Sequence[DrawnImage], split: Split) -> bytes:
    """Return the CSV of boxes; that of the training images also has where people clicked."""
    header = (*_BOXES, *_CLICKS) if split == "train" else _BOXES
    rows = [
        _box_row(image, each, split)
        for image in images
        for each in image.objects
        if each.planned.has_box
    ]
    return _csv(header, rows)


def _box_row(image: DrawnImage, drawn: DrawnObject, split: Split) -> list[object]:
    digits = 6 if split == "train" else 9
    corners = [f"{value:.{digits}f}" for value in drawn.box]
    row = [image.planned.image_id, drawn.planned.source, drawn.planned.mid, 1]
    row += [*corners, *drawn.planned.flags]
    if split != "train":
        return row
    if drawn.planned.source == "activemil":
        return [*row, *["-1.000000"] * len(_CLICKS)]
    left, right, top, bottom = drawn.box
    across, down = (left + right) / 2, (top + bottom) / 2
    clicks = (left, across, right, across, down, top, down, bottom)
    return [*row, *(f"{value:.6f}" for value in clicks)]


def masks(images: Sequence[DrawnImage], split: Split, seed: int) -> bytes:
    """Return the CSV of masks; its rows are in no order."""
    rows: list[list[object]] = [
        [
            each.mask_name,
            image.planned.image_id,
            each.planned.mid,
            each.box_id,
            *(_short(value) for value in each.box),
            *(("0.8712", each.clicks) if split == "train" else ("", "")),
        ]
        for image in images
        for each in image.objects
        if each.mask_name
    ]
    chance(seed, f"masks of {split}").shuffle(rows)
    return _csv(_MASKS, rows)


def labels(images: Sequence[DrawnImage]) -> bytes:
    """Return the CSV of labels of whole images, some of which say that a class is absent."""
    sources = ("verification", "crowdsource-verification")
    rows = [
        [image.planned.image_id, sources[number % 2], mid, int(is_there)]
        for image in images
        for number, (mid, is_there) in enumerate(image.planned.labels)
    ]
    return _csv(_LABELS, rows)


def attribution(images: Sequence[DrawnImage], split: Split, seed: int) -> bytes:
    """Return the CSV of authors, licences and rotations, in no order."""
    rows = [
        _attribution_row(image, number, chance(seed, f"author/{image.planned.image_id}"))
        for number, image in enumerate(images)
    ]
    chance(seed, f"images of {split}").shuffle(rows)
    return _csv(_IMAGES, rows)


def _attribution_row(image: DrawnImage, number: int, rng: random.Random) -> list[object]:
    person, page = f"person{rng.randint(1, 999)}", rng.randint(10**9, 10**10)
    address = f"https://photos.example/{person}/{page}"
    return [
        image.planned.image_id,
        image.planned.split,
        f"{address}_o.jpg",
        address,
        "https://creativecommons.org/licenses/by/2.0/",
        f"https://people.example/{person}/",
        _AUTHORS[number % len(_AUTHORS)],
        _TITLES[number % len(_TITLES)],
        rng.randint(10**5, 10**7),
        base64.b64encode(rng.randbytes(16)).decode(),
        f"{address}_z.jpg" if number % 5 else "",
        image.planned.rotation,
    ]


def mask_archives(images: Sequence[DrawnImage]) -> dict[str, bytes]:
    """Return a zip of masks for each first digit of an ImageID."""
    return {
        digit: _zip(
            {
                each.mask_name: each.mask
                for image in images
                if image.planned.image_id.startswith(digit)
                for each in image.objects
                if each.mask is not None
            },
            zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED,
        )
        for number, digit in enumerate(_DIGITS)
    }


def _zip(members: Mapping[str, bytes], method: int) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, _ZIP_TIME)
            member.compress_type = method
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return output.getvalue()


def class_names(version: str) -> bytes:
    """Return the CSV of MIDs and names: in V6 without a header, in V7 with one; both CRLF."""
    names = CLASSES if version != "v7" else {**CLASSES, **RENAMED}
    lines = [f"{mid},{name}" for mid, name in sorted(names.items())]
    if version == "v7":
        lines.insert(0, "LabelName,DisplayName")
    return "".join(f"{line}\r\n" for line in lines).encode()


def segmentation_classes() -> bytes:
    """Return the MIDs that have masks, a line each."""
    return "".join(f"{mid}\n" for mid in sorted(WITH_MASKS)).encode()


def hierarchy() -> bytes:
    """Return parents and children; a bear is below two of them, and a wheel is a part."""
    car = _node("/m/0k4j", parts=[_node("/m/083wq")])
    aircraft = _node("/m/0k5j", [_node("/m/0cmf2")])
    vehicle = _node("/m/07yv9", [_node("/m/01prls", [car]), aircraft])
    carnivore = _node("/m/01lrl", [_node("/m/01dws")])
    animal = _node("/m/0jbk", [carnivore, _node("/m/04rky", [carnivore])])
    food = _node("/m/02wbm", [_node("/m/01dwsz")])
    furniture = _node("/m/0c_jw", [_node("/m/04bcr3", [_node("/m/0h8n5zk")])])
    weapon = _node("/m/083kb", [_node("/m/0gxl3")])
    root = _node("/m/0bl9f", [vehicle, animal, food, furniture, weapon])
    return json.dumps(root).encode()


def _node(
    mid: str, children: Sequence[object] = (), parts: Sequence[object] = ()
) -> dict[str, Any]:
    node: dict[str, Any] = {_NODE: mid}
    if children:
        node["Subcategory"] = list(children)
    if parts:
        node["Part"] = list(parts)
    return node


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    output = io.StringIO(newline="")
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return output.getvalue().encode()


def _short(value: float) -> str:
    """Return a fraction of at most six digits, without zeros at its end."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
