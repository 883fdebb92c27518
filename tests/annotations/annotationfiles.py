"""Annotations with every defect, in archives and in folders, and the boxes that they give."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from pipeline.annotations.bboxes import (
    Boxes,
    collect,
    csv_pieces,
)

A, B, C = "n00000001", "n00000002", "n00000003"


SIZE = (100, 50)
NO_SIZE = "the annotation gives no size of its image"


def box(*corners: object, name: str = A) -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags if value is not None)
    return f"<object><name>{name}</name><bndbox>{inner}</bndbox></object>"


def xml(*objects: str, size: tuple[int, int] | None = SIZE, filename: str = "x") -> bytes:
    sized = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    inner = f"<filename>{filename}</filename>{sized}{''.join(objects)}"
    return f"<annotation>{inner}</annotation>".encode()


def tar_of(files: dict[str, bytes], kinds: dict[str, bytes] | None = None) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, kind in (kinds or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "elsewhere"
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def csv_bytes(boxes: Boxes) -> bytes:
    return b"".join(csv_pieces(boxes))


def gathered(
    folder: Path, files: dict[str, bytes], class_filter: frozenset[str] | None = None
) -> Boxes:
    archive = folder / "boxes.tar.gz"
    archive.write_bytes(gzip.compress(tar_of(files)))
    return collect(archive, class_filter=class_filter)


LAUGHS = (
    b'<!DOCTYPE annotation [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><annotation>&c;</annotation>'
)
EXTERNAL = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation>&x;</annotation>'
UNDECLARED = xml(box("&x;", 5, 50, 25))
DEFECTS = {  # in an order that is neither that of the names nor that of the classes
    f"{B}/{B}_10.xml": xml(box(10, 5, 50, 25, name=B), box(20, 10, 30, 20, name=A)),
    f"{A}/{A}_9.xml": xml(box(10, 5, 50, 25)),
    f"{A}/{A}_10.xml": xml(box(50, 5, 10, 25)),
    f"{A}/{A}_11.xml": xml(box(10, 5, 117, 25)),
    f"{A}/{A}_12.xml": xml(box(1, 1, 2, 2), box(105, 3, 140, 30), box(3, 3, 4, 4)),
    f"{A}/{A}_13.xml": xml(box(10, 5, 50, 25), filename="%s"),
    f"{A}/{A}_14.xml": xml(box("64.9", 5, 90, 25)),
    f"{A}/{A}_15.xml": xml(box(10, 5, 50, 25, name="Scottish_deerhound")),
    f"{A}/{A}_16.xml": xml(box(1, 1, 2, 2), box(None, 10, 30, 20), box(3, 3, 4, 4)),
    f"{A}/{A}_17.xml": xml(box(10, 5, 50, 25), size=None),
    f"{A}/{A}_18.xml": xml(box(10, 5, 50, 25), size=(0, 50)),
    f"{A}/{A}_19.xml": LAUGHS,
    f"{A}/{A}_20.xml": EXTERNAL,
    f"{A}/{A}_21.xml": xml(box(10, 5, 50, 25))[:-9],
    f"{A}/{A}_22.xml": xml(),
    f"{A}/{A}_23.xml": xml(box(-3, -2, 50, 25)),
    f"{A}/{A}_24.xml": xml(box(30, 5, 30, 25)),
    f"{A}/{A}_25.xml": xml(box("-0.9", "5e0", 50, 25)),
    f"{A}/{A}_26.xml": xml(box(1, 5, 2, 25), size=(100_000, 50)),
    f"{A}/{A}_27.xml": xml(box("&#49;0", 5, 50, 25, name="&lt;fish&gt; &amp; chips")),
    f"{A}/{A}_28.xml": UNDECLARED,
    f"{A}/{A}_29.xml": xml(box(120, 5, 10, -3)),
    f"{C}/{C}_1.xml": xml(box(33, 1, 34, 2, name=C), size=(300, 7)),
}
LINES = [  # by hand; an image has 100 x 50 pixels where nothing else is said
    # xmin > xmax, so they change places: 10/100, 5/50, 50/100, 25/50
    f"{A}_10.JPEG,0.1000,0.1000,0.5000,0.5000",
    # 117/100 is cut off at 1
    f"{A}_11.JPEG,0.1000,0.1000,1.0000,0.5000",
    # 1/100, 1/50, 2/100, 2/50; the second begins and ends at 1, right of it all; 3/100, 3/50, ...
    f"{A}_12.JPEG,0.0100,0.0200,0.0200,0.0400",
    f"{A}_12.JPEG,0.0300,0.0600,0.0400,0.0800",
    # <filename> is %s, but an image is named after its XML file
    f"{A}_13.JPEG,0.1000,0.1000,0.5000,0.5000",
    # int(64.9)/100 = 64/100, 5/50, 90/100, 25/50
    f"{A}_14.JPEG,0.6400,0.1000,0.9000,0.5000",
    # the name of no class stays
    f"{A}_15.JPEG,0.1000,0.1000,0.5000,0.5000",
    # the second has no xmin; the third keeps its own: 3/100, 3/50, 4/100, 4/50
    f"{A}_16.JPEG,0.0100,0.0200,0.0200,0.0400",
    f"{A}_16.JPEG,0.0300,0.0600,0.0400,0.0800",
    # 17 to 22: no size, no width, a DTD, a DTD, cut short, no object
    # -3/100 and -2/50 are cut off at 0
    f"{A}_23.JPEG,0.0000,0.0000,0.5000,0.5000",
    # 24: from 30/100 to 30/100
    # int(-0.9)/100 = 0/100, 5e0/50 = 5/50
    f"{A}_25.JPEG,0.0000,0.1000,0.5000,0.5000",
    # 1/100000 < 2/100000, though both are 0.0000 to four digits
    f"{A}_26.JPEG,0.0000,0.1000,0.0000,0.5000",
    # &#49; is the digit 1: 10/100
    f"{A}_27.JPEG,0.1000,0.1000,0.5000,0.5000",
    # 28: an entity that nobody declares
    # both change places, then 120/100 is cut off at 1 and -3/50 at 0: 10/100, 0, 1, 5/50
    f"{A}_29.JPEG,0.1000,0.0000,1.0000,0.1000",
    # "1" < "9"
    f"{A}_9.JPEG,0.1000,0.1000,0.5000,0.5000",
    # the second is of another class: 20/100, 10/50, 30/100, 20/50
    f"{B}_10.JPEG,0.1000,0.1000,0.5000,0.5000",
    f"{B}_10.JPEG,0.2000,0.2000,0.3000,0.4000",
    # of 300 x 7 pixels: 33/300, 1/7 = 0.14285..., 34/300 = 0.11333..., 2/7 = 0.28571...
    f"{C}_1.JPEG,0.1100,0.1429,0.1133,0.2857",
]
GOLDEN = "".join(f"{line}\n" for line in LINES)


def unpacked(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
