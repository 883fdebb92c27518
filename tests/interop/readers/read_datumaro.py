"""Loads a data set of some format with Datumaro; prints JSON.

Runs in an environment of its own, without shardmill: ``read_datumaro.py FORMAT PATH [LABEL ...]``,
all labels or those that are named. The result is
``{"SUBSET/ID": [[label, kind, [numbers], {attribute: value}], ...]}``: of boxes x, y, width and
height in pixels, of masks area, x, y, width and height.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main() -> None:
    """Load everything."""
    datumaro = importlib.import_module("datumaro")
    data = datumaro.Dataset.import_from(sys.argv[2], sys.argv[1])
    kinds = datumaro.AnnotationType
    names = [each.name for each in data.categories()[kinds.label].items]
    found: dict[str, list[Any]] = {}
    for item in data:
        entries = found.setdefault(f"{item.subset}/{item.id}", [])
        for each in item.annotations:
            if each.type not in {kinds.bbox, kinds.mask}:
                continue
            if sys.argv[3:] and names[each.label] not in sys.argv[3:]:
                continue
            is_box = each.type == kinds.bbox
            area = each.get_area()
            corners = [*each.get_bbox()] if is_box or area else []  # of a black mask it knows none
            numbers = corners if is_box else [area, *corners]
            flags = {name: value for name, value in each.attributes.items() if value is not None}
            plain = [float(number) for number in numbers]
            entries.append([names[each.label], each.type.name, plain, flags])
    json.dump(found, sys.stdout, default=str)


if __name__ == "__main__":
    main()
