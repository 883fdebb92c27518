"""MXNet's im2rec: pictures and labels of an image list, packed into RecordIO."""

from pipeline.im2rec.api import im2rec
from pipeline.im2rec.pack import LeftOut, Packed
from pipeline.images.transforms import AutoOrient, CenterCrop, ColorConvert, Compose, Resize

__all__ = [
    "AutoOrient",
    "CenterCrop",
    "ColorConvert",
    "Compose",
    "LeftOut",
    "Packed",
    "Resize",
    "im2rec",
]
