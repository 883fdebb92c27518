"""How shards store the images of a split, in the order of its catalog, for the Parquet export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from pipeline.errors import OutputDamaged
from pipeline.exports.exported_split import ExportedSplit
from pipeline.exports.modes import stored_mode
from pipeline.exports.row_groups import grouped
from pipeline.images.prepare import END_MARKER, PLAIN

_TEXT: Final = pa.string()
_STORED: Final = np.dtype([("bytes", np.int64), ("xxh3_128", "V16")])
_MODES: Final = [("mode", np.int8), ("source_mode", np.int8)]  # codes, -1 for an unknown one
_IMAGE: Final = np.dtype([("width", np.int32), ("height", np.int32), *_MODES, *_STORED.descr])
_STRAY: Final = np.array([b"\xff" * 16])  # the last of all

Rows = npt.NDArray[Any]


class StoredImages:
    """The facts of a split in the order of its catalog, and a row more for strays."""

    def __init__(self, split: ExportedSplit, formats: Sequence[str]) -> None:
        ids = np.concatenate([*(_ids(rows["key"]) for rows in split.rows()), _STRAY])
        self._order = np.argsort(ids)
        self._ids = ids[self._order]
        self._split = split.name
        self._options = split.options
        self._modes: list[str] = []
        self._image = np.zeros(len(ids), _IMAGE)
        self._places = {name: np.full((len(ids), 2), -1, np.int32) for name in formats}
        # Few pages of these are ever written: formats seldom differ.
        self._own = {name: np.zeros(len(ids), _STORED) for name in formats}
        for name, parts in split.facts.items():
            for part in grouped(parts):
                self._add(name, part)

    def columns(self, here: slice) -> dict[str, pa.Array]:
        """Return the columns of some rows."""
        image = self._image[here]
        found = _stored_columns("", image)
        missing = image["bytes"] == 0
        for name in ("width", "height"):
            found[name] = pa.array(image[name], mask=missing)
        for name, _ in _MODES:
            codes = pa.array(image[name], mask=missing | (image[name] < 0))
            found[name] = pa.array(self._modes, pa.string()).take(codes)
        for name, places in self._places.items():
            shards, records = places[here].T
            found[f"{name}_shard"] = pa.array(shards, mask=records < 0)
            found[f"{name}_record"] = pa.array(records, mask=records < 0)
            found |= _stored_columns(f"{name}_", self._own[name][here])
        return found

    def _add(self, shard_format: str, part: pa.Table) -> None:
        rows = self._rows(shard_format, part["key"])
        self._places[shard_format][rows] = np.column_stack([part["shard"], part["record"]])
        image = np.empty(len(rows), _IMAGE)
        for name in ("width", "height", "bytes"):
            image[name] = part[name]
        sources = part["mode"].cast(pa.string()).to_pylist()
        reasons = part["repair"].cast(pa.string()).to_pylist()
        options = self._options.get(shard_format, PLAIN)
        encoded = [reason not in {None, END_MARKER} for reason in reasons]
        read = list(zip(sources, encoded, strict=True))
        stored = {
            (mode, mended): stored_mode(mode, options, repaired=mended)
            for mode, mended in set(read)
        }
        image["source_mode"] = self._codes(sources)
        image["mode"] = self._codes([stored[each] for each in read])
        digits = "".join(part["xxh3_128"].to_pylist())
        image["xxh3_128"] = np.frombuffer(bytes.fromhex(digits), "V16")
        first = self._image["bytes"][rows] == 0
        self._image[rows[first]] = image[first]
        other = self._image["xxh3_128"][rows] != image["xxh3_128"]
        self._own[shard_format][rows[other]] = image[other][["bytes", "xxh3_128"]]

    def _codes(self, modes: Sequence[str | None]) -> list[int]:
        self._modes += sorted({mode for mode in modes if mode}.difference(self._modes))
        codes = {mode: code for code, mode in enumerate(self._modes)}
        return [-1 if mode is None else codes[mode] for mode in modes]

    def _rows(self, shard_format: str, keys: pa.ChunkedArray) -> Rows:
        """Return where in the catalog some images are, of which the format had none so far."""
        ids = _ids(keys)
        order = np.argsort(ids)  # what is next to each other is found near each other
        found = np.searchsorted(self._ids, ids[order])
        unknown = self._ids[found] != ids[order]
        again = self._places[shard_format][self._order[found], 1] >= 0
        again[1:] |= found[1:] == found[:-1]
        for what, wrong in (("not in the catalog", unknown), ("there twice", again)):
            if wrong.any():
                key = keys[order[wrong.argmax()]].as_py()
                whose = f"the facts of {shard_format}" if shard_format else "the facts"
                raise OutputDamaged(
                    f"{whose} are of other images than the catalog",
                    place=f"{key!r} of split {self._split}",
                    found=f"one that is {what}",
                    remedy="remove that output and run the shardmill command again",
                )
        rows = np.empty_like(order)
        rows[order] = self._order[found]
        return rows


def _ids(keys: pa.ChunkedArray) -> Rows:
    """Return the xxh3-128 of keys: 16 bytes for each, whatever its length."""
    found = [xxhash.xxh3_128_digest(key) for key in keys.cast(pa.binary()).to_pylist()]
    return np.frombuffer(b"".join(found), "S16")


def _stored_columns(prefix: str, stored: Rows) -> dict[str, pa.Array]:
    missing = stored["bytes"] == 0
    digits = stored["xxh3_128"].tobytes().hex()
    hashes = [digits[place : place + 32] for place in range(0, len(digits), 32)]
    sizes = pa.array(stored["bytes"], mask=missing)
    return {f"{prefix}bytes": sizes, f"{prefix}xxh3_128": pa.array(hashes, _TEXT, mask=missing)}
