"""Reads shards with webdataset's `WebDataset`; prints JSON.

Runs in an environment of its own, without shardmill: ``read_webdataset.py SHARD...``, or a pattern
with braces in the place of the only one. The result is a list of [``__key__``, extension of the
image, its SHA-256, class index, facts], in reading order; class index and facts as webdataset
decodes them.
"""

from __future__ import annotations

import hashlib
import json
import sys

import webdataset

rows = []
urls = sys.argv[1] if len(sys.argv) == 2 else sys.argv[1:]
for sample in webdataset.WebDataset(urls, shardshuffle=False).decode():
    (extension,) = {"jpg", "png"} & set(sample)
    digest = hashlib.sha256(sample[extension]).hexdigest()
    rows.append([sample["__key__"], extension, digest, sample["cls"], sample["json"]])
json.dump(rows, sys.stdout)
