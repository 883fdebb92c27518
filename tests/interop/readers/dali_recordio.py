"""Reads RecordIO shards with DALI on the CPU, through their indexes; prints JSON.

Runs in an environment of its own, without shardmill: ``dali_recordio.py SHARD... -- INDEX...``.
The result is a list of [SHA-256 of the encoded image, labels, decoded shape], in reading order.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy as np
from nvidia.dali import fn, pipeline_def, types

middle = sys.argv.index("--")
shards, indexes = sys.argv[1:middle], sys.argv[middle + 1 :]


@pipeline_def(batch_size=1, num_threads=2, device_id=None, prefetch_queue_depth=1)  # type: ignore[untyped-decorator]
def reader() -> Any:
    encoded, labels = fn.readers.mxnet(path=shards, index_path=indexes, name="reader")
    image = fn.decoders.image(encoded, device="cpu", output_type=types.RGB)
    return encoded, labels, image


pipeline = reader()
pipeline.build()
rows = []
for _ in range(pipeline.reader_meta("reader")["epoch_size"]):
    encoded, labels, image = (np.array(output[0]) for output in pipeline.run())
    digest = hashlib.sha256(encoded.tobytes()).hexdigest()
    rows.append([digest, labels.ravel().tolist(), list(image.shape)])
json.dump(rows, sys.stdout)
