"""Reads one sample by the offsets that its shard's index has, without walking through the tar.

Headers are not looked at, which `read_samples` does: verification is where they are.
"""

from __future__ import annotations

from typing import Final

import msgspec

from pipeline.errors import OutputDamaged
from pipeline.formats.record import ParsedRecord
from pipeline.formats.webdataset.objects import Described

_REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"


class _Facts(msgspec.Struct, rename={"class_id": "wnid", "class_text": "words"}):
    class_id: str
    class_text: str
    width: int
    height: int
    boxes: list[tuple[float, float, float, float]]
    filename: str
    labels: tuple[float, ...] = ()
    objects: list[Described] | None = None


_decode = msgspec.json.Decoder(_Facts).decode


def parse(image: memoryview, label: memoryview, facts: memoryview, *, file: str) -> ParsedRecord:
    """Return what a sample says.

    Args:
        image: the content of the first member, ``.jpg`` or ``.png``.
        label: of the second, ``.cls``.
        facts: of the third, ``.json``.
        file: what an error shall name.

    Raises:
        OutputDamaged: the second or third is not as it is written.
    """
    try:
        number, said = int(label.tobytes()), _decode(facts)
    except (ValueError, msgspec.MsgspecError) as error:
        raise OutputDamaged(
            "the shard is not as it was written",
            file=file,
            expected="a class index, and the facts of an image",
            found=str(error),
            remedy=_REMEDY,
        ) from None
    return ParsedRecord(
        filename=said.filename,
        label=number,
        class_id=said.class_id,
        class_text=said.class_text,
        boxes=tuple(said.boxes),
        width=said.width,
        height=said.height,
        encoded=image,
        labels=said.labels,
        described={} if said.objects is None else {"objects": said.objects},
    )
