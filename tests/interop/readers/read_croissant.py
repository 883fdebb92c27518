"""Loads every record of a Croissant document with mlcroissant; prints JSON.

Runs in an environment of its own, without shardmill: ``read_croissant.py DOCUMENT``. The result is
``{"warnings": [...], "records": {record set: [record, ...]}}``; texts, which mlcroissant gives as
bytes, are texts again.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def main() -> None:
    """Load everything."""
    dataset = importlib.import_module("mlcroissant").Dataset(sys.argv[1])
    names = [record_set.uuid for record_set in dataset.metadata.record_sets]
    found = {
        "warnings": sorted(dataset.metadata.ctx.issues.warnings),
        "records": {name: [plain(each) for each in dataset.records(name)] for name in names},
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
