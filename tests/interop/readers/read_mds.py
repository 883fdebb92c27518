"""Reads MDS shards with MosaicML's streaming; prints JSON.

Runs in an environment of its own, without shardmill: ``read_mds.py FOLDER ...``. The result is a
list for each folder, of all samples in the order of their numbers: each column as JSON has it, of
an image its size and mode once it is decoded, and under ``every`` the keys as an epoch gives them.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any
from unittest.mock import MagicMock

# Data sets of its own, and batches of models: none is read here, and what they import is large.
STANDING_IN = (
    *("streaming.text", "streaming.vision", "transformers"),
    *("transformers.feature_extraction_utils", "transformers.tokenization_utils_base"),
)
for name in STANDING_IN:
    sys.modules[name] = MagicMock()


def plain(value: Any) -> Any:
    """Return a value of a sample as JSON has it."""
    if hasattr(value, "mode"):
        return [*value.size, value.convert(value.mode).mode]
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else value


def main() -> None:
    """Decode everything."""
    streaming = importlib.import_module("streaming")
    util = importlib.import_module("streaming.base.util")
    found = []
    for folder in sys.argv[1:]:
        util.clean_stale_shared_memory()
        data = streaming.StreamingDataset(
            local=folder, shuffle=True, batch_size=2, validate_hash="xxh3_128"
        )
        samples = [data[number] for number in range(len(data))]
        found.append(
            {
                "samples": [{k: plain(v) for k, v in sample.items()} for sample in samples],
                "every": sorted(sample["key"] for sample in data),
            }
        )
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
