"""Selects as `pipeline.sources.openimages.selecting` does, row after row, all in memory."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.catalog import order
from pipeline.sources.openimages import tables
from pipeline.sources.openimages.selecting.selection import Selection

Row = dict[str, str]
_COLUMNS = {"group_of": "IsGroupOf"}
_NEAR = 1e-6 + 1e-12


def _rows(path: Any) -> list[Row]:
    with Path(str(path)).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _flag(row: Row, flag: str) -> int:
    return int(row[_COLUMNS.get(flag, f"Is{flag.title()}")])


def _corners(row: Row, prefix: str = "") -> list[float]:
    return [float(row[prefix + side]) for side in ("XMin", "XMax", "YMin", "YMax")]


def _joined(boxes: list[Row], masks: list[Row]) -> dict[int, int]:
    """Return the place of a mask -> that of its box."""
    pairs = []
    for m, mask in enumerate(masks):
        for b, box in enumerate(boxes):
            if (mask["ImageID"], mask["LabelName"]) == (box["ImageID"], box["LabelName"]):
                gaps = zip(_corners(mask, "Box"), _corners(box), strict=True)
                gap = max(abs(one - other) for one, other in gaps)
                if gap <= _NEAR:
                    pairs.append((gap, m, b))
    found = dict[int, int]()
    for _, m, b in sorted(pairs):
        if m not in found and b not in found.values():
            found[m] = b
    return found


def _least(images: Iterable[str], limit: int | None, seed: int) -> set[str]:
    names = sorted(images)
    return {names[place] for place in order.permutation(names, "hash", seed)[:limit]}


def _by_class(pairs: Iterable[tuple[str, int]]) -> dict[int, set[str]]:
    found = dict[int, set[str]]()
    for image_id, number in pairs:
        found.setdefault(number, set()).add(image_id)
    return found


def plainly_selected(selection: Selection) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of the tables of images and objects."""
    options, index = selection.options, selection.chosen.indexes
    files = {kind: _rows(file.path) for kind, file in selection.files.items()}
    boxes, masks, labels = (files.get(kind, []) for kind in ("boxes", "masks", "labels"))
    boxes = [row for row in boxes if row["LabelName"] in index]
    masks = [row for row in masks if row["LabelName"] in index]
    labels = [row for row in labels if row["LabelName"] in index]
    box_of = _joined(boxes, masks)
    kept = [not any(_flag(row, flag) == 1 for flag in options.drop_boxes) for row in boxes]
    kept_masks = [m not in box_of or kept[box_of[m]] for m in range(len(masks))]
    selecting = selection.chosen.selecting
    shows = {
        "boxes": [row for row, keep in zip(boxes, kept, strict=True) if keep],
        "masks": [row for row, keep in zip(masks, kept_masks, strict=True) if keep],
        "labels": [row for row in labels if float(row["Confidence"]) > 0],
    }
    barred = {
        row["ImageID"]
        for row in boxes
        if row["LabelName"] in selecting
        and any(_flag(row, flag) == 1 for flag in options.drop_images)
    }

    def may_be(image_id: str) -> bool:
        return selection.ids is None or image_id in selection.ids

    candidates = _by_class(
        (row["ImageID"], index[row["LabelName"]])
        for row in shows[options.by]
        if row["LabelName"] in selecting and row["ImageID"] not in barred and may_be(row["ImageID"])
    )
    chosen = set[str]()
    for images in candidates.values():
        chosen |= _least(images, options.limit, options.seed)
    shown = {
        row["ImageID"]
        for row in (*boxes, *masks, *shows["labels"])
        if row["LabelName"] in selecting
    }
    own = {each.mid: each.index for each in selection.chosen.classes if each.mid in selecting}
    absent = [
        (row["ImageID"], own[row["LabelName"]])
        for row in labels
        if float(row["Confidence"]) == 0 and row["LabelName"] in own
    ]
    for images in _by_class(
        pair for pair in absent if pair[0] not in shown and may_be(pair[0])
    ).values():
        chosen |= _least(images, options.negatives, options.seed)
    objects = _objects(selection, boxes, masks, kept, kept_masks, box_of, chosen)
    return _images(selection, chosen, objects, shows["labels"], absent), objects


def _images(
    selection: Selection,
    chosen: set[str],
    objects: list[dict[str, Any]],
    labels: list[Row],
    absent: list[tuple[str, int]],
) -> list[dict[str, Any]]:
    options, index = selection.options, selection.chosen.indexes
    positive = {(row["image_id"], row["class_index"]) for row in objects}
    if options.image_labels or options.by == "labels":
        positive |= {(row["ImageID"], index[row["LabelName"]]) for row in labels}
    return [
        {
            "image_id": image_id,
            "classes": sorted(c for each, c in positive if each == image_id),
            "negatives": sorted(
                {c for each, c in absent if each == image_id and (each, c) not in positive}
            ),
        }
        for image_id in sorted(chosen)
    ]


def _objects(
    selection: Selection,
    boxes: list[Row],
    masks: list[Row],
    kept: list[bool],
    kept_masks: list[bool],
    box_of: Mapping[int, int],
    chosen: set[str],
) -> list[dict[str, Any]]:
    mask_of = {b: m for m, b in box_of.items()}
    found = []
    for b, row in enumerate(boxes):
        if kept[b] and row["ImageID"] in chosen:
            flags = {flag: _flag(row, flag) for flag in tables.FLAGS}
            of_box = {"source": row["Source"], "confidence": float(row["Confidence"]), **flags}
            mask = masks[mask_of[b]] if b in mask_of else None
            found.append(_object(selection, row, _corners(row), of_box, mask))
    nothing = dict.fromkeys(("source", "confidence", *tables.FLAGS))
    for m, row in enumerate(masks):
        if kept_masks[m] and m not in box_of and row["ImageID"] in chosen:
            found.append(_object(selection, row, _corners(row, "Box"), nothing, row))
    return sorted(found, key=lambda row: str(row["image_id"]))


def _object(
    selection: Selection,
    row: Row,
    corners: list[float],
    of_box: Mapping[str, Any],
    mask: Row | None,
) -> dict[str, Any]:
    number = selection.chosen.indexes[row["LabelName"]]
    iou = mask["PredictedIoU"] if mask is not None else ""
    return {
        "image_id": row["ImageID"],
        "label": row["LabelName"],
        "class_index": number,
        "class_name": selection.chosen.classes[number].name,
        **dict(zip(("xmin", "xmax", "ymin", "ymax"), corners, strict=True)),
        **of_box,
        "box_id": None if mask is None else mask["BoxID"],
        "mask_path": None if mask is None else mask["MaskPath"],
        "predicted_iou": float(iou) if iou else None,
    }
