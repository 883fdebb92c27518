"""MXNet's im2rec: images and labels of an image list, packed into RecordIO."""

from pipeline.im2rec.api import im2rec
from pipeline.im2rec.result import LeftOut, Packed
from pipeline.images import transforms
from pipeline.images.transforms import (
    AutoOrient,
    CenterCrop,
    ColorConvert,
    Compose,
    Normalize,
    Resize,
    ToTensor,
)

__all__ = [
    "AutoOrient",
    "CenterCrop",
    "ColorConvert",
    "Compose",
    "LeftOut",
    "Normalize",
    "Packed",
    "Resize",
    "ToTensor",
    "im2rec",
    "transforms",
]
