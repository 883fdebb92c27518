"""Whether an image has the size that its annotations are made for: boxes in pixels are of that one.

Compared is the image as it lies in its file, as boxes are fractions of images as they lie; of a
TIFF also as it lies when it is turned as its file says, which every decoder does.
"""

from __future__ import annotations

from pipeline.errors import BadImage
from pipeline.images.decode import open_image
from pipeline.images.foreign import foreign_format
from pipeline.images.header import read_header
from pipeline.images.orientation import SIDEWAYS, read_orientation, tiff_orientation
from pipeline.storage import Buffer

_REMEDY = (
    "give the image that the annotations were made for, or correct the size and the boxes in them"
)
_TURN = "the annotations are of the image as EXIF turns it: turn its pixels, and remove that mark"


def check_annotated_size(data: Buffer, size: tuple[int, int]) -> None:
    """Check that an image has the (width, height) in pixels that annotations say.

    Args:
        data: an image that can be stored.
        size: as the annotations say.

    Raises:
        BadImage: it has another.
    """
    form = foreign_format(data)
    if form is None:
        header = read_header(data)
        found = (header.width, header.height)
        is_sideways = size == found[::-1] and read_orientation(data, header.format) in SIDEWAYS
    else:
        found = open_image(data, form).size
        is_sideways = False
        if form == "TIFF" and size == found[::-1] and tiff_orientation(data) in SIDEWAYS:
            return
    if size != found:
        raise BadImage(
            "the image has another size than its annotations say",
            expected=f"{size[0]:,} x {size[1]:,} pixels",
            found=f"{found[0]:,} x {found[1]:,} pixels, where they say {size[0]:,} x {size[1]:,}",
            remedy=_TURN if is_sideways else _REMEDY,
        )
