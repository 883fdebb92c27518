"""What ``shardmill im2rec`` takes, refuses and says of images that are not the usual JPEGs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import BadImage
from pipeline.formats.recordio.shard import read_records
from pipeline.images.bounds import MAX_JPEG_SIDE
from tasks.cli.im2rec import im2rec

_HEADER_BYTES = 24
GRAY = Image.linear_gradient("L").resize((64, 48))


def saved(image: Image.Image, form: str) -> bytes:
    output = io.BytesIO()
    image.save(output, form)
    return output.getvalue()


def twelve_bits() -> bytes:
    data = saved(GRAY, "JPEG")
    at = data.index(b"\xff\xc0") + 4
    return data[:at] + bytes([12]) + data[at + 1 :]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img").mkdir()
    return tmp_path


def put(work: Path, *images: bytes, suffix: str = ".png") -> None:
    lines = ""
    for number, content in enumerate(images):
        (work / "img" / f"{number}{suffix}").write_bytes(content)
        lines += f"{number}\t0\t{number}{suffix}\n"
    (work / "a.lst").write_text(lines)


def call(*words: str) -> int:
    status: int = im2rec.main([*words, "--num-thread", "1"], standalone_mode=False)
    return status


def packed(work: Path) -> list[tuple[int, int]]:
    found = []
    for record in read_records(work / "a.rec"):
        with Image.open(io.BytesIO(record.data[_HEADER_BYTES:])) as image:
            found.append(image.size)
    return found


def refusal(*words: str) -> BadImage:
    with pytest.raises(BadImage) as caught:
        call(*words)
    return caught.value


def test_an_image_of_more_pixels_than_are_allowed_is_taken_as_the_remedy_says(work: Path) -> None:
    put(work, saved(GRAY, "PNG"))
    refused = refusal("a", "img", "--max-pixels", str(64 * 48 - 1))
    assert (refused.found, "--max-pixels" in (refused.remedy or "")) == ("64 x 48", True)
    assert "--error-limit" in (refused.remedy or "")
    assert call("a", "img", "--max-pixels", str(64 * 48)) == 0
    assert packed(work) == [(64, 48)]


def test_a_side_is_bounded_only_where_it_is_of_a_jpeg(work: Path) -> None:
    put(work, saved(Image.new("L", (MAX_JPEG_SIDE + 1, 2), 90), "PNG"))
    assert call("a", "img", "--center-crop") == 0
    assert packed(work) == [(2, 2)]
    assert call("a", "img", "--encoding", ".png") == 0
    assert packed(work) == [(MAX_JPEG_SIDE + 1, 2)]
    refused = refusal("a", "img")
    assert refused.what == "image too large for a JPEG"
    assert "--encoding .png" in (refused.remedy or "")


def test_sixteen_bits_are_not_lost_where_they_are_to_be_kept(work: Path) -> None:
    put(work, saved(Image.fromarray(np.arange(3000, dtype=np.uint16).reshape(50, 60)), "PNG"))
    refused = refusal("a", "img", "--color", "-1", "--encoding", ".png")
    for remedy in ("--color 1", "--color 0"):
        assert remedy in (refused.remedy or "")
        assert call("a", "img", *remedy.split(), "--encoding", ".png") == 0


@pytest.mark.parametrize("options", [(), ("--pass-through", "--transcode"), ("--resize", "24")])
def test_formats_that_the_original_packs_are_packed(work: Path, options: tuple[str, ...]) -> None:
    for name, form in (("0.ppm", "PPM"), ("1.pgm", "PPM"), ("2.tif", "TIFF"), ("3.bmp", "BMP")):
        image = GRAY if name == "1.pgm" else GRAY.convert("RGB")
        (work / "img" / name).write_bytes(saved(image, form))
    call("--list", "a", "img", "--exts", ".ppm", ".pgm", ".tif", ".bmp")
    assert call("a", "img", *options) == 0
    assert packed(work) == 4 * [(32, 24) if "--resize" in options else (64, 48)]
    refused = refusal("a", "img", "--pass-through")
    assert "--transcode" in (refused.remedy or "")


def test_what_is_peculiar_is_said_of_images_that_keep_their_bytes(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = saved(GRAY, "JPEG")
    video = whole + b"\0\0\0\x18ftypmp42" + bytes(3 * len(whole))
    put(work, whole, twelve_bits(), video, whole[:-2], suffix=".jpg")
    assert call("a", "img", "--pass-through") == 0
    said = capsys.readouterr().out
    assert "12-bit: 1" in said
    assert "cut-short: 1" in said
    assert call("a", "img", "--error-limit", "1") == 4
    said = capsys.readouterr().out
    assert "end-marker-added: 1" in said
    assert packed(work) == 3 * [(64, 48)]
