"""Reads a Parquet file with DuckDB, pandas, polars and Hugging Face's datasets; prints JSON.

Runs in an environment of its own, without shardmill: ``read_tables.py FILE CACHE``. The result is,
by reader, a list of rows; beside them are the names of classes that ``datasets`` found, by column.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

Row = dict[str, Any]


def duckdb(path: str) -> list[Row]:
    """Return the rows, by SQL."""
    found = importlib.import_module("duckdb").execute("SELECT * FROM read_parquet(?)", [path])
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def pandas(path: str) -> list[Row]:
    """Return the rows; pandas knows no null, and no integer where there is one."""
    rows: list[Row] = importlib.import_module("pandas").read_parquet(path).to_dict("records")
    return [{name: known(value) for name, value in row.items()} for row in rows]


def known(value: Any) -> Any:
    """Return a value without what is numpy's, None for what is no number."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return None if value != value else value  # noqa: PLR0124


def polars(path: str) -> list[Row]:
    """Return the rows."""
    rows: list[Row] = importlib.import_module("polars").read_parquet(path).to_dicts()
    return rows


def main() -> None:
    """Read everything."""
    path, cache = sys.argv[1:]
    load = importlib.import_module("datasets").load_dataset
    dataset = load("parquet", data_files=path, split="train", cache_dir=cache)
    kinds = dataset.features.items()
    found = {
        "duckdb": duckdb(path),
        "pandas": pandas(path),
        "polars": polars(path),
        "datasets": dataset.to_list(),
        "classes": {name: kind.names for name, kind in kinds if hasattr(kind, "names")},
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
