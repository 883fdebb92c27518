"""bboxes.csv as the scripts make it from unpacked annotations: ``peer_boxes.py FOLDER CSV``.

What ``gen_train_bboxes.py`` and TensorFlow's ``process_bounding_boxes.py`` do, in one process:
list the class folders of `FOLDER`, parse each file with the standard library, take the corners
in the order of the document, write a line a box. Prints ``{"images": N, "seconds": S}``; imports
are before the seconds.
"""

from __future__ import annotations

import glob
import json
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def main() -> None:
    """Write the boxes of all annotations, in the order in which they are listed."""
    folder, csv = sys.argv[1:]
    start = time.perf_counter()
    annotations = 0
    with Path(csv).open("w") as output:
        for class_folder in glob.glob(f"{folder}/*"):
            for path in glob.glob(f"{class_folder}/*.xml"):
                annotations += 1
                output.writelines(lines(Path(path)))
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps({"images": annotations, "seconds": seconds}) + "\n")


def lines(path: Path) -> Iterator[str]:
    """Yield a line for each box that has an area."""
    root = ET.parse(path).getroot()  # noqa: S314 - the benchmark's own files
    width, height = numbers(root, "width")[0], numbers(root, "height")[0]
    for x0, y0, x1, y1 in zip(*(numbers(root, corner) for corner in _CORNERS), strict=True):
        xmin, xmax = sorted(min(max(x / width, 0.0), 1.0) for x in (x0, x1))
        ymin, ymax = sorted(min(max(y / height, 0.0), 1.0) for y in (y0, y1))
        if xmin < xmax and ymin < ymax:
            yield f"{path.stem}.JPEG,{xmin:.4f},{ymin:.4f},{xmax:.4f},{ymax:.4f}\n"


def numbers(root: ET.Element, tag: str) -> list[int]:
    """Return what stands in all elements of a name, truncated."""
    return [int(float(element.text or "")) for element in root.iter(tag)]


if __name__ == "__main__":
    main()
