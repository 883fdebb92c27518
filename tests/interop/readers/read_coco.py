"""Loads a COCO document with pycocotools; prints JSON.

Runs in an environment of its own, without shardmill: ``read_coco.py DOCUMENT``. The result has the
names of categories by id, the entries of images, and of each annotation, beside what it says, what
pycocotools computes of its runs: area, box, and how many pixels the decoded mask has.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from typing import Any


def main() -> None:
    """Load everything."""
    coco_class = importlib.import_module("pycocotools.coco").COCO
    masks = importlib.import_module("pycocotools.mask")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_class(sys.argv[1])
    annotations = []
    for annotation in coco.loadAnns(coco.getAnnIds()):
        computed: dict[str, Any] = {}
        if annotation["segmentation"]:
            runs = coco.annToRLE(annotation)
            computed["area"] = int(masks.area(runs))
            computed["bbox"] = masks.toBbox(runs).tolist()
            computed["pixels"] = int(coco.annToMask(annotation).sum())
            computed["size"] = list(coco.annToMask(annotation).shape)
        annotations.append({**annotation, "computed": computed})
    categories = {each["id"]: each["name"] for each in coco.loadCats(coco.getCatIds())}
    images = coco.loadImgs(coco.getImgIds())
    json.dump({"categories": categories, "images": images, "annotations": annotations}, sys.stdout)


if __name__ == "__main__":
    main()
