"""Which Pillow is installed: it decodes and encodes, and its name is part of output digests.

Pillow and pillow-simd are two distributions that install the same folder, ``PIL``. pip does not
see the conflict: whichever was installed last has written over the other.
"""

# ruff: noqa: PLC0415 - Pillow is imported where it is used: most shards decode nothing

from __future__ import annotations

import re
from functools import cache
from importlib import metadata
from typing import Final

from pipeline.errors import EnvironmentRefused

SIMD: Final = "pillow-simd"
PLAIN: Final = "pillow"
_FROM_SOURCE: Final = "pip install --force-reinstall --no-deps --no-binary pillow-simd"
_NAMED: Final = re.compile(
    r"(?P<name>[a-z-]+) (?P<version>[0-9][\w.+]*)(?: / (?P<library>[\w .,:/()+-]+))?", re.ASCII
)


@cache
def identity() -> str:
    """Return name and version of the installed Pillow and of its JPEG library.

    For example ``pillow-simd 12.1.1.post0 / libjpeg-turbo 2.1.5``.

    Raises:
        EnvironmentRefused: neither Pillow nor pillow-simd is installed, or its files are those of
            two versions.
    """
    version = installed_version()
    try:
        from PIL import Image, features
    except ImportError as error:
        raise _unusable(f"PIL {version}, which cannot be loaded: {error}") from error
    if not getattr(Image, "core", None):
        raise _unusable(f"PIL {version} without its compiled part")
    turbo = features.version_feature("libjpeg_turbo")
    library = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version_codec('jpg')}"
    owner = SIMD if distribution_version(SIMD) == version else PLAIN
    return f"{owner} {version} / {library}"


def installed_version() -> str:
    """Return the version of the folder ``PIL``, whichever distribution has written it.

    Raises:
        EnvironmentRefused: there is none.
    """
    try:
        import PIL
    except ImportError as error:
        raise _unusable(f"no module PIL: {error}") from error
    version = getattr(PIL, "__version__", None)
    if version is None:  # what uninstalling one of the two leaves of the other
        raise _unusable("a folder PIL without the files of Pillow")
    return str(version)


@cache
def distribution_version(name: str) -> str | None:
    """Return the version that pip has recorded of a distribution; None: it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def warning() -> str | None:
    """Return a sentence if Pillow was installed over pillow-simd; else None.

    Raises:
        EnvironmentRefused: neither can be loaded.
    """
    simd, plain = distribution_version(SIMD), distribution_version(PLAIN)
    version = installed_version()
    if simd is None or plain is None or version == simd:
        return None
    return (
        f"pillow {version} was installed over pillow-simd {simd}: images are decoded and encoded by"
        f" pillow, more slowly; to undo it: {_FROM_SOURCE} {SIMD}=={simd}"
    )


def how_to_install(codec: str) -> str:
    """Return what to type to get a codec, by the name that an output's manifest has of it.

    A manifest may come from elsewhere: what is no name of a codec is in no command to be pasted.
    """
    named = _NAMED.fullmatch(codec)
    if named is None:
        return f"install the codec that is named {codec!r}"
    name, version, library = named["name"], named["version"], named["library"]
    if name == SIMD:
        return f"{_FROM_SOURCE} {SIMD}=={version}, built with {library}"
    if name == PLAIN:
        return f"pip install --force-reinstall --no-deps pillow=={version}, which has {library}"
    if name == "opencv":
        return f"pip install opencv-python-headless=={version}.*, which has {library}"
    return f"install the codec that is named {codec!r}"


def _unusable(found: str) -> EnvironmentRefused:
    return EnvironmentRefused(
        "images cannot be decoded: Pillow is not installed, or its files are incomplete",
        expected="pillow-simd, or Pillow",
        found=found,
        remedy=f"{_FROM_SOURCE} {SIMD}",
    )
