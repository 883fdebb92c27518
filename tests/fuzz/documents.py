"""Valid documents of every form that is parsed: where hostile ones begin. Drawn or made here."""

from __future__ import annotations

import gzip
import io
import re
import struct
import tarfile
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin
from scipy.io import savemat

from pipeline import manifest
from pipeline.archives.compressed import read_members
from pipeline.formats.examples.example import encode_head
from pipeline.formats.record import ImageRecord
from pipeline.formats.tfrecord.shard import frame_header, masked_crc32c
from pipeline.sample.draw import draw_sample

_THUMBNAIL = (40, 24)
_LONG = "l" * 90 + "/" + "ö" * 90
_CSV = "ImageId,PredictionString"
_NUMBERED = "ILSVRC2012_val_0000000"
TRUTH = b"1\n3\n2\n1\n"
_SYNSETS = ((1, "n02", 0), (2, "n03", 0), (3, "n01", 0), (4, "n04", 0), (5, "n00", 4))


@cache
def sample() -> Mapping[str, bytes]:
    """Return the files of a small drawn sample: name -> content."""
    with tempfile.TemporaryDirectory() as folder:
        draw_sample(Path(folder), train_classes=3, images_per_class=4, validation_images=4)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def tar_of(files: Mapping[str, bytes], tar_format: int = tarfile.USTAR_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tar_format) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue().rstrip(b"\0") + bytes(2048)  # without most of its padding


def _drawn() -> Image.Image:
    """Return an image of the sample, small."""
    with tarfile.open(fileobj=io.BytesIO(sample()["ILSVRC2012_img_val.tar"])) as tar:
        stream = tar.extractfile(tar.getnames()[0])
        assert stream is not None
        return Image.open(stream).convert("RGB").resize(_THUMBNAIL)


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


@cache
def jpegs() -> tuple[bytes, ...]:
    drawn = _drawn()
    return (
        _encoded(drawn, "JPEG"),
        _encoded(drawn.convert("L"), "JPEG", quality=20),
        _encoded(drawn, "JPEG", progressive=True, comment=b"a comment"),
        _encoded(drawn.convert("CMYK"), "JPEG", quality=30),
        _with_orientation(_encoded(drawn, "JPEG", optimize=True), b"II*\0", "<HHIIH", 4),
        _with_orientation(_encoded(drawn, "JPEG", quality=9), b"MM\0*", ">HHIIH", 9),
    )


def _with_orientation(jpeg: bytes, order: bytes, entry: str, kind: int) -> bytes:
    """Put an orientation in, of an integer type of 32 bits."""
    big = entry[0]
    tiff = order + struct.pack(f"{big}IH", 8, 1) + struct.pack(entry, 0x0112, kind, 1, 6, 0)
    content = b"Exif\0\0" + tiff + bytes(2)
    return jpeg[:2] + struct.pack(">HH", 0xFFE1, 2 + len(content)) + content + jpeg[2:]


@cache
def whole_jpegs() -> tuple[bytes, ...]:
    """Return JPEGs that have their end marker, one of almost too many scans among them."""
    return (*jpegs(), _with_scans(jpegs()[2], 400))


def _with_scans(jpeg: bytes, count: int) -> bytes:
    """Repeat the last scan of a JPEG, without its data."""
    last, end = jpeg.rindex(b"\xff\xda"), len(jpeg) - 2
    return jpeg[:end] + jpeg[last : last + 10] * count + jpeg[end:]


@cache
def endless_jpegs() -> tuple[bytes, ...]:
    """Return JPEGs that lack their end marker and no pixel, or have others' bytes in its place."""
    return tuple(
        jpeg[:-2] + rest
        for jpeg in jpegs()
        for rest in (b"", bytes(40), b"\xff\xff\x53trailer", b"text " * 9)
    )


@cache
def foreign_images() -> tuple[bytes, ...]:
    drawn = _drawn()
    deep = Image.fromarray(np.asarray(drawn.convert("L")).astype(np.uint16) << 8)
    named = [(drawn, form) for form in ("TIFF", "PPM", "BMP", "GIF")]
    named += [
        (drawn.convert("L"), "PPM"),
        (drawn.convert("P"), "TIFF"),
        (drawn.convert("1"), "BMP"),
    ]
    plain = b"P3\n# in figures\n2 1\n255\n1 2 3 40 50 60\n"
    turned = _encoded(drawn, "TIFF", tiffinfo={274: 6, 254: 0})
    return (*(_encoded(*each) for each in named), _encoded(deep, "TIFF"), turned, plain)


@cache
def pngs() -> tuple[bytes, ...]:
    drawn = _drawn()
    deep = Image.fromarray(np.asarray(drawn.convert("L")).astype(np.uint16) << 8)
    modes = [drawn.convert(mode) for mode in ("L", "RGBA", "P", "1")]
    beside = PngImagePlugin.PngInfo()
    beside.add_text("key", "a text " * 20, zip=True)
    beside.add_itxt("key", "a text", zip=True)
    plain = tuple(_encoded(image, "PNG") for image in (*modes, deep))
    profile = {"pnginfo": beside, "icc_profile": b"a profile", "transparency": 3}
    return (*plain, _encoded(modes[2], "PNG", **profile), plain[0][:-12])


@cache
def tars() -> tuple[bytes, ...]:
    images = {f"n01_{number}.JPEG": jpeg for number, jpeg in enumerate(jpegs()[:2])}
    nested = {"n01.tar": tar_of(images), "n02.tar": tar_of({}), "readme": b"hello"}
    named = {_LONG: b"long", "ö": b"", "d/e.txt": b"x" * 600}
    extended = [tar_of(named, form) for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    return (tar_of(nested), tar_of(images), *extended, *class_archives())


@cache
def class_archives() -> tuple[bytes, ...]:
    """Return archives of classes in every layout, with clutter, and with a tar without a byte."""
    images = {f"{number}.JPEG": jpeg for number, jpeg in enumerate(jpegs()[:2])}
    inside = {f"./n01/{name}": content for name, content in images.items()}
    apple = b"\0\5\x16\7" * 30
    packed = {"._n01.tar": apple, "x/n01.tar": tar_of({"n01/._0.JPEG": apple, **inside})}
    folders = {f"train/n02/{name}": content for name, content in images.items()}
    return (tar_of({**packed, "n03.tar": b""}), tar_of(folders), tar_of({**packed, **folders}))


@cache
def packed_tars() -> tuple[bytes, ...]:
    two = gzip.compress(tars()[1][:700], mtime=0) + gzip.compress(tars()[1][700:], mtime=0)
    return (gzip.compress(tars()[1], mtime=0), two + bytes(40), tars()[2])


@cache
def annotation_files() -> tuple[bytes, ...]:
    """Return the annotations of the sample, spoiled ones among them."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "boxes.tar.gz"
        archive.write_bytes(sample()["ILSVRC2012_bbox_train_v2.tar.gz"])
        found = read_members(archive, largest=1 << 20)
        plain = [content for _, content in found if content is not None]
    text = plain[0].decode()
    return (
        *plain,
        f'<?xml version="1.0" encoding="iso-8859-1"?>{text}'.encode("latin-1"),
        f'<?xml version="1.0" encoding="gb2312"?>{text}'.encode("gb2312"),
        text.encode("utf-16"),
    )


def solutions() -> tuple[bytes, ...]:
    lines = [_CSV, f"{_NUMBERED}1,n01 85 1 499 272 n01 0 0 9 9.5", f"{_NUMBERED}2,n02 1 1 2 2", ""]
    plain = "\n".join(lines)
    quoted = "\n".join(f'"{line}"'.replace(",", '","') for line in lines[:-1])
    return (
        plain.encode(),
        "\r\n".join(lines).encode(),
        plain.replace(",", ";").encode(),
        quoted.encode(),
    )


def image_lists() -> tuple[bytes, ...]:
    lines = ["7\t464.000000\tn04/a b.JPEG", "0\t4\t5\t0.25\t-1e-3\tö.JPEG", "9\t1\t/c.jpg", ""]
    blanks = "95099  464.000000     a.JPEG\n18446744073709551615 +.5 b c.JPEG\n"
    return ("\n".join(lines).encode(), ("\ufeff" + "\r\n".join(lines)).encode(), blanks.encode())


def image_lists_of_two() -> tuple[bytes, ...]:
    return (b"7\t464\t-0.5\ta.JPEG\n0\t16777216\t33554432\tb.JPEG\n", b"1 2 3 4 a.JPEG\r\n\n")


def class_tables() -> tuple[bytes, ...]:
    """Tables of class folders in each of their forms, one name in two encodings."""
    named, table = "# mine\nant\r\nbee 2/\n", "folder\tlabel\ncaf\u00e9\t1\nbee/x\t0\n"
    others = "wnid\tsorted_index\twords\nn01\t0\tan ant\nn02\t1\ta bee\n", "ant 0\nbee 1\n"
    return tuple(
        text.encode() for text in (named, table, table.replace("\u00e9", "e\u0301"), *others)
    )


def label_tables() -> tuple[bytes, ...]:
    table = "wnid\twords\tilsvrc2012_id\ttrain\nn01\ta, b\t3\t2\nn02\tc\t1\t2\nn03\td\t2\t2\n"
    return (table.encode(), b"\xef\xbb\xbf" + table.replace("\n", "\r\n").encode())


def counts() -> tuple[bytes, ...]:
    return (b"n01\t3\nn02\t1300\nn03\t0\n",)


def label_lists() -> tuple[bytes, ...]:
    return (b"n01\nn03\nn02\nn01\n", b"n01\r\nn01\r\n")


def number_lists() -> tuple[bytes, ...]:
    return (b"1\n3\n50\n",)


def class_lists() -> tuple[bytes, ...]:
    return (b"n01 # the first\n\n# none\nn03\n",)


def configurations() -> tuple[bytes, ...]:
    """Return a configuration that says all, and one that leaves out what is recorded later."""
    whole = sample()["sample.toml"]
    return (whole, re.sub(rb"(?m)^(?:md5|counts|images) = .*\n", b"", whole))


@cache
def metas(*, packed: bool) -> tuple[bytes, ...]:
    """Return meta.mat files (MATLAB 5) of the devkit, their arrays compressed or not."""
    names = ("ILSVRC2012_ID", "WNID", "words", "num_children", "wordnet_height")
    rows = [(number, wnid, "words", more, 0) for number, wnid, more in _SYNSETS]
    array = np.array(rows, [(name, "O") for name in names]).reshape(-1, 1)
    target = io.BytesIO()
    savemat(target, {"synsets": array, "other": np.eye(2)}, do_compression=packed)
    return (target.getvalue(),)


def truths() -> tuple[bytes, ...]:
    return (TRUTH,)


def manifests() -> tuple[bytes, ...]:
    named = manifest.FileEntry("idx/train-00000", 12, manifest.hash_bytes(b"twelve bytes"))
    document = {"files": [named.to_json()], "counts": {"bytes": 12}, "job": "{}", "name": "ö"}
    return (manifest.serialise(document), manifest.serialise({"files": []}))


@cache
def records() -> tuple[ImageRecord, ...]:
    boxes = ((0.25, 0.5, 0.75, 1.0), (0.0, 0.125, 0.5, 0.5))
    first, second = jpegs()[:2]
    return (
        ImageRecord("n01/a.JPEG", "a.JPEG", 3, "n01", "wörds", boxes, 40, 24, first),
        ImageRecord("b.JPEG", "b.JPEG", -1, "", "", (), 40, 24, second),
    )


def examples() -> tuple[bytes, ...]:
    return tuple(encode_head(record, 1) + bytes(record.encoded) for record in records())


def shards() -> tuple[bytes, ...]:
    framed = [
        frame_header(len(data)) + data + masked_crc32c(data).to_bytes(4, "little")
        for data in examples()
    ]
    return (b"".join(framed), framed[1])
