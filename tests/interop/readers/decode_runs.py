"""Decodes runs of masks with pycocotools; prints JSON.

Runs in an environment of its own, without shardmill: ``decode_runs.py < JSON``, a list of runs as
``{"size": [height, width], "counts": "..."}``. The result is a list of the pixels of each mask in
hex: bits, row after row, of the first pixel the highest.
"""

from __future__ import annotations

import importlib
import json
import sys

import numpy as np


def main() -> None:
    """Decode everything."""
    decode = importlib.import_module("pycocotools.mask").decode
    pixels = [decode(runs) for runs in json.load(sys.stdin)]
    json.dump([np.packbits(mask, axis=None).tobytes().hex() for mask in pixels], sys.stdout)


if __name__ == "__main__":
    main()
