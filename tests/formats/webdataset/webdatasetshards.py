"""WebDataset shards for tests, some put together by hand, and what tarfile reads of them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from support import RawSet

from pipeline import storage
from pipeline.errors import OutputDamaged
from pipeline.formats.record import ImageRecord, Placement
from pipeline.formats.webdataset.index import (
    sample_key,
    sample_name,
)
from pipeline.formats.webdataset.shard import Sample, WebDatasetWriter, read_samples
from pipeline.formats.webdataset.ustar import member_header
from pipeline.storage import StagedFile

JPEG, PNG = b"\xff\xd8\xff one \xff\xd9", b"\x89PNG\r\n\x1a\n two"
BOX = (0.0, 0.25, 0.5, 1.0)
FIRST = ImageRecord("a/a_1.JPEG", "a_1.JPEG", 0, "a", "first", (), 4, 3, JPEG)
RECORDS = [
    FIRST,
    ImageRecord("b/b_2.JPEG", "b_2.JPEG", 11, "b", "", (BOX,), 1, 1, PNG + bytes(496)),
    ImageRecord("c/ü.JPEG", "ü.JPEG", -1, "", "zürich", (BOX, BOX), 9, 9, memoryview(JPEG * 60)),
]
END = bytes(1024)
# What does not fit a header's name: parted at a slash, or put into a pax header.
LONG = "d" * 60 + "/" + "e" * 90 + ".JPEG"
LONGER = "f" * 200 + ".JPEG"


def write(folder: Path, records: list[ImageRecord]) -> tuple[WebDatasetWriter, list[Placement]]:
    with StagedFile(folder / "shard") as shard, StagedFile(folder / "index") as index:
        writer = WebDatasetWriter(shard, index)
        placements = [writer.write(record) for record in records]
        writer.finish()
        storage.publish(shard, index)
    return writer, placements


def members(path: Path) -> dict[str, bytes]:
    """Name -> data of each member, by tarfile."""
    found = {}
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            assert member.name not in found
            found[member.name] = content.read()
    return found


def expected_members(record: ImageRecord, extension: str) -> dict[str, bytes]:
    name = sample_name(record.key)
    facts = {
        "wnid": record.class_id,
        "words": record.class_text,
        "width": record.width,
        "height": record.height,
        "boxes": [list(box) for box in record.boxes],
        "filename": record.filename,
    }
    return {
        f"{name}.{extension}": bytes(record.encoded),
        f"{name}.cls": str(record.class_index).encode(),
        f"{name}.json": json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode(),
    }


def record_of(sample: Sample) -> ImageRecord:
    """Build the record again that a sample was written from."""
    content = sample.content
    return ImageRecord(
        key=sample_key(sample.name),
        filename=content.filename,
        class_index=content.label,
        class_id=content.class_id,
        class_text=content.class_text,
        boxes=content.boxes,
        width=content.width,
        height=content.height,
        encoded=bytes(content.encoded),
    )


def field(text: bytes, size: int) -> bytes:
    return text.ljust(size, b"\0")


FACTS = b'{"wnid":"","words":"","width":1,"height":1,"boxes":[[0.0,0.0,1.0,1.0]],"filename":""}'


def sample(label: bytes, facts: bytes, name: str = "a") -> bytes:
    """Return a whole shard of one sample, put together from what its members should hold."""
    content = b""
    for extension, data in (("jpg", JPEG), ("cls", label), ("json", facts)):
        content += member_header(f"{name}.{extension}", len(data))
        content += data + bytes(-len(data) % 512)
    return content + END


def with_size(content: bytes, digits: bytes) -> bytes:
    """Return an archive with another size in its first header, and the checksum that fits."""
    total = int(content[148:154], 8) + sum(digits) - sum(content[124:135])
    checked = content[:124] + digits + content[135:148] + b"%06o" % total
    return checked + content[154:]


def validation_images(raw_set: RawSet) -> dict[str, bytes]:
    """Name -> bytes of the validation images, by tarfile."""
    return members(raw_set.raw / "ILSVRC2012_img_val.tar")


def changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    return path


def refuses(path: Path, content: bytes | bytearray) -> bool:
    path.write_bytes(content)
    try:
        list(read_samples(path))
    except OutputDamaged:
        return True
    return False
