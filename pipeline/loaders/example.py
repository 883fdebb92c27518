"""An image with its labels and boxes, as all loaders but that of TensorFlow give it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from pipeline.formats.record import ParsedRecord
from pipeline.images.decode import decode, open_image, refusals
from pipeline.images.header import kind_of_data, read_header
from pipeline.images.spec import EncodeSpec
from pipeline.storage import Buffer

if TYPE_CHECKING:
    from PIL import Image

_USUAL: Final = {"RGB", "L"}
_RGB: Final = EncodeSpec(color=1)


class Example(TypedDict, total=False):
    """What a record says, as arrays and plain values; the keys are those of `tfdata`.

    ::

        image       uint8 (height, width, 3), RGB; where it is decoded
        encoded     bytes, the JPEG or PNG, in its place where it is not
        label       class index plus label offset; -1 where unlabelled
        labels      float32 (m,), the numbers that a list says of an image where they are no class;
                    else of length 0
        synset      id of the class; "" where unlabelled
        text        the class in words
        filename    of the image
        height      pixels
        width       pixels
        bbox        float32 (n, 4), rows of (ymin, xmin, ymax, xmax), fractions of the image
        bbox_label  int64 (n,), the label of each object: its own, or else that of the image
    """

    image: NDArray[np.uint8]
    encoded: bytes
    label: int
    labels: NDArray[np.float32]
    synset: str
    text: str
    filename: str
    height: int
    width: int
    bbox: NDArray[np.float32]
    bbox_label: NDArray[np.int64]


def example(record: ParsedRecord, object_labels: list[int], *, decoded: bool) -> Example:
    """Return what a record says; nothing of it is a view of the record.

    Raises:
        BadImage: the image cannot be decoded.
    """
    made = Example(
        label=record.label,
        labels=np.array(record.labels, np.float32),
        synset=record.class_id,
        text=record.class_text,
        filename=record.filename,
        height=record.height,
        width=record.width,
        bbox=boxes(record),
        bbox_label=np.array(object_labels, np.int64),
    )
    if decoded:
        made["image"] = decode_rgb(record.encoded)
    else:
        made["encoded"] = record.encoded.tobytes()
    return made


def boxes(record: ParsedRecord) -> NDArray[np.float32]:
    """Return the boxes of a record: (n, 4) of (ymin, xmin, ymax, xmax), fractions of the image."""
    rows = [(ymin, xmin, ymax, xmax) for xmin, ymin, xmax, ymax in record.boxes]
    return np.array(rows, np.float32).reshape(-1, 4)


def decode_rgb(encoded: Buffer) -> NDArray[np.uint8]:
    """Return the pixels of an image as it is stored, without turning it as its EXIF says.

    Gray images become RGB, alpha is dropped, 16 bits become 8 by a shift.

    Returns:
        (height, width, 3) uint8, RGB; writable.

    Raises:
        BadImage: it cannot be decoded.
    """
    form = kind_of_data(encoded)
    with refusals(form or "the image", "pixels"):
        image = open_image(encoded, form)
        if form == "JPEG" and image.mode in _USUAL:
            return _pixels(image if image.mode == "RGB" else image.convert("RGB"))
    header = read_header(encoded)
    return _pixels(decode(encoded, header, _RGB, 1).image)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    content: Any = bytearray(image.tobytes())
    return np.frombuffer(content, np.uint8).reshape(image.height, image.width, 3)
