"""Tars and Examples as other programs write them: what tests of shards as a source begin with."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.formats.examples import features
from pipeline.formats.examples.features import Kind
from pipeline.formats.examples.wire import encode_varint
from pipeline.formats.tfrecord import shard


def tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """Write a tar of files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, members: Iterable[tuple[str, bytes]], method: int) -> Path:
    """Write a zip archive of files, stored or deflated, and of a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("pets/", b"")
        for name, content in members:
            archive.writestr(name, content)
    return path


def parquet(path: Path, rows: Sequence[Mapping[str, object]], names: Sequence[str] = ()) -> Path:
    """Write a Parquet file in row groups of two, as Hugging Face's datasets do it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows))
    if names:
        feature = {"names": list(names), "_type": "ClassLabel"}
        said = json.dumps({"info": {"features": {"label": feature}}})
        table = table.replace_schema_metadata({"huggingface": said})
    pq.write_table(table, path, row_group_size=2)
    return path


def example(values: Mapping[str, object]) -> bytes:
    """Return an Example of texts, bytes, and lists of whole numbers or fractions."""
    entries = b""
    for key, value in values.items():
        if isinstance(value, bytes | str):
            content = value if isinstance(value, bytes) else value.encode()
            entries += features.entry(key, Kind.BYTES, content)
        elif isinstance(value, list) and value and isinstance(value[0], float):
            packed = struct.pack(f"<{len(value)}f", *value)
            entries += features.entry(key, Kind.FLOATS, packed)
        elif isinstance(value, list):
            entries += features.entry(key, Kind.INTS, b"".join(map(encode_varint, value)))
    return features.open_example(entries, 0)


def tfrecords(path: Path, examples: Iterable[Mapping[str, object]]) -> Path:
    """Write a TFRecord file of Examples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for values in examples:
            data = example(values)
            checksum = struct.pack("<I", shard.masked_crc32c(data))
            file.write(shard.frame_header(len(data)) + data + checksum)
    return path


def recordio(path: Path, images: Iterable[tuple[bytes, float]]) -> Path:
    """Write a RecordIO file of images and labels, with ids from 0, none of which has to be cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for number, (content, label) in enumerate(images):
            data = struct.pack("<IfQQ", 0, label, number, 0) + content
            file.write(struct.pack("<II", 0xCED7230A, len(data)) + data + bytes(-len(data) % 4))
    return path


def mds(path: Path, encodings: Mapping[str, str], rows: Sequence[Mapping[str, bytes]]) -> Path:
    """Write an MDS shard of encoded values as MosaicML's streaming lays it out, without index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names, fixed = sorted(encodings), {"int": 8, "int32": 4, "uint16": 2}
    sizes = [fixed.get(encodings[name]) for name in names]
    said = {
        "column_encodings": [encodings[name] for name in names],
        "column_names": names,
        "column_sizes": sizes,
        "compression": None,
        "format": "mds",
        "hashes": ["sha1"],
        "size_limit": 1 << 26,
        "version": 2,
    }
    config = json.dumps(said, sort_keys=True).encode()
    samples = []
    for row in rows:
        values = [row[name] for name in names]
        lengths = [len(v) for v, size in zip(values, sizes, strict=True) if size is None]
        samples.append(struct.pack(f"<{len(lengths)}I", *lengths) + b"".join(values))
    offset = 4 + 4 * (len(samples) + 1) + len(config)
    offsets = [offset + sum(map(len, samples[:n])) for n in range(len(samples) + 1)]
    table = struct.pack(f"<{len(offsets) + 1}I", len(samples), *offsets)
    path.write_bytes(table + config + b"".join(samples))
    return path


def mds_index(folder: Path, names: Sequence[str], kind: str = "raw_data") -> None:
    """Write the index that names the shards in a folder."""
    shards = [{"raw_data": None, "zip_data": None, kind: {"basename": name}} for name in names]
    (folder / "index.json").write_text(json.dumps({"shards": shards, "version": 2}))
