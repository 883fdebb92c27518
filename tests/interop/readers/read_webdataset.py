"""Reads shards with webdataset's `WebDataset`; prints JSON.

Runs in an environment of its own, without shardmill: ``read_webdataset.py SHARD...``. The result
is a list of [``__key__``, extension of the image, its SHA-256, class index, facts], in reading
order; class index and facts as webdataset decodes them.
"""

from __future__ import annotations

import hashlib
import json
import sys

import webdataset

rows = []
for sample in webdataset.WebDataset(sys.argv[1:], shardshuffle=False).decode():
    (extension,) = {"jpg", "png"} & set(sample)
    digest = hashlib.sha256(sample[extension]).hexdigest()
    rows.append([sample["__key__"], extension, digest, sample["cls"], sample["json"]])
json.dump(rows, sys.stdout)
