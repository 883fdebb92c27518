"""The index of MDS shards, by which streaming finds them and knows what is in them.

Source: mosaicml/streaming, streaming/base/format/base/writer.py and streaming/base/hashing.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.formats.base import RecordOptions, WrittenShard
from pipeline.formats.mds import columns, shard

NAME: Final = "index.json"
"""Its name, which streaming asks for in the folder of the shards."""
_HASH: Final = "xxh3_128"


def index(names: Sequence[str], shards: Sequence[WrittenShard], options: RecordOptions) -> bytes:
    """Return the index of some shards.

    Args:
        names: of their files.
        shards: what there is of each.
        options: of their records.
    """
    return b"".join(_pieces(names, shards, options))


def _pieces(
    names: Sequence[str], shards: Sequence[WrittenShard], options: RecordOptions
) -> Iterator[bytes]:
    said = {**shard.FORMAT, **columns.columns(options).described(), "hashes": [_HASH]}
    for number, (name, written) in enumerate(zip(names, shards, strict=True)):
        data = {"basename": name, "bytes": written.bytes, "hashes": {_HASH: written.xxh3_128}}
        entry = {**said, "raw_data": data, "samples": written.records, "zip_data": None}
        yield b", " if number else b'{"shards": ['
        yield json.dumps(entry, sort_keys=True).encode()
    yield b'], "version": 2}'
