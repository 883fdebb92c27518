"""The packages that shardmill needs or can use: which are installed, and how to install others.

This module imports nothing but the standard library: it also says what is missing where so much is
missing that no command can begin.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Final

OWN: Final = "shardmill"
"""The distribution of this program."""
PILLOWS: Final = ("pillow-simd", "pillow")
"""The distributions of the module PIL, of which one is enough."""
PURPOSES: Final[Mapping[str, tuple[str, str]]] = {
    "boto3": ("boto3", "archives and outputs in S3"),
    "click": ("click", "the command line"),
    "crc32c": ("crc32c", "checksums of records"),
    "h5py": ("h5py", "HDF5 files"),
    "isal": ("isal", "compressed archives"),
    "jinja2": ("jinja2", "the pages of report"),
    "luigi": ("luigi", "the steps of a job and their workers"),
    "lxml": ("lxml", "annotations in XML"),
    "msgspec": ("msgspec", "documents and configurations"),
    "numpy": ("numpy", "labels, boxes and pixels"),
    "pillow-simd": ("PIL", "images that are decoded or encoded"),
    "pyarrow": ("pyarrow", "catalogs and plans"),
    "pycurl": ("pycurl", "downloads, and archives on web servers"),
    "rich": ("rich", "the display of progress"),
    "xxhash": ("xxhash", "hashes of images"),
}
"""Of each package that is needed: its module, and what it is for."""
OPTIONAL: Final[Mapping[str, tuple[str, str]]] = {
    "array-record": ("array_record", "--format arrayrecord"),
    "distributed": ("distributed", "--cluster: shards by the workers of a Dask cluster"),
    "grain": ("grain", "pipeline.loaders.grain, which reads TFRecord, WebDataset, ArrayRecord"),
    "nvidia-dali-cuda120": (
        "nvidia.dali",
        "pipeline.loaders.dali, which reads TFRecord and WebDataset",
    ),
    "opencv-python-headless": ("cv2", "--engine opencv, im2rec, and outlines of masks"),
    "tensorflow": ("tensorflow", "pipeline.loaders.tfdata, which reads TFRecord"),
    "torch": ("torch", "pipeline.loaders.torch, which reads TFRecord and WebDataset"),
}
"""The same of packages that some commands can do without."""
_REQUIRED: Final = re.compile(
    r"(?P<name>[\w.-]+)\s*(?:\[[^]]*\])?\s*\(?(?P<versions>[^;)]*)\)?(?:;(?P<marker>.*))?", re.ASCII
)
_LEAST: Final = re.compile(r">=\s*([\w.]+)")
_NUMBERS: Final = re.compile(r"[0-9]+")
_EXTRA: Final = re.compile(r"extra\s*==\s*[\"']([\w-]+)[\"']")


@dataclass(frozen=True)
class Package:
    """A distribution that shardmill needs or can use.

    Attributes:
        name: as it is installed by.
        module: what is imported of it.
        purpose: what it is for.
        least: the lowest version that will do; "": any.
        version: what is installed; None: nothing.
    """

    name: str
    module: str
    purpose: str
    least: str
    version: str | None

    @property
    def requirement(self) -> str:
        """What to tell an installer."""
        return f"{self.name}>={self.least}" if self.least else self.name

    @property
    def is_too_old(self) -> bool:
        """Whether it is installed in a version that will not do."""
        return bool(self.version and self.least and _numbers(self.version) < _numbers(self.least))


def needed() -> list[Package]:
    """Return the packages that shardmill needs, by their names."""
    least = _least_versions()
    return [
        Package(name, module, purpose, least.get(name, ""), _version(name))
        for name, (module, purpose) in PURPOSES.items()
    ]


def optional() -> list[Package]:
    """Return the packages that only some commands need."""
    least = _least_versions()
    return [
        Package(name, module, purpose, least.get(name, ""), _version_of_module(name, module))
        for name, (module, purpose) in OPTIONAL.items()
    ]


def installed_of(names: Iterable[str]) -> str | None:
    """Return name and version of the first of some distributions that is installed."""
    return next((f"{name} {found}" for name in names if (found := version(name))), None)


def version(name: str) -> str | None:
    """Return the version of an installed distribution; None: there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def why_not_loaded(module: str) -> str | None:
    """Import a module, and return why that fails; None: it does not."""
    try:
        import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever a broken package raises
        return f"{type(error).__name__}: {error}"
    return None


def missing() -> list[Package]:
    """Return the packages that are needed and not installed, or in a version that will not do."""
    return [each for each in needed() if each.version is None or each.is_too_old]


def install_command(requirements: Sequence[str]) -> str:
    """Return the command line that installs packages for this very interpreter."""
    words = [sys.executable, "-m", "pip", "install", *requirements]
    if importlib.util.find_spec("pip") is None:  # as in an environment that uv has made
        words = ["uv", "pip", "install", "--python", sys.executable, *requirements]
    return shlex.join(words)


def _version(name: str) -> str | None:
    names = PILLOWS if name in PILLOWS else (name,)
    return next((found for each in names if (found := version(each))), None)


def _version_of_module(name: str, module: str) -> str | None:
    """Return the version of a package, or, where another package has its module, of no number."""
    found = version(name)
    if found is None and _is_found(module):
        return "of another package"
    return found


def _is_found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # nor is the package that it is in
        return False


def _least_versions() -> dict[str, str]:
    """Return the lowest version of each package that shardmill's own metadata ask for."""
    return dict(_requirements())


def _requirements() -> Iterator[tuple[str, str]]:
    try:
        lines = metadata.requires(OWN) or []
    except metadata.PackageNotFoundError:  # run from a folder, and not installed
        lines = []
    for line in lines:
        parsed = _REQUIRED.match(line)
        least = _LEAST.search(parsed["versions"]) if parsed else None
        extra = _EXTRA.search(line)
        if parsed and least and (extra is None or parsed["name"] in OPTIONAL):
            yield parsed["name"], least[1]


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers at the beginning of a version: 2.1.5.post0 is 2, 1, 5."""
    numbers = []
    for part in text.split("."):
        number = _NUMBERS.match(part)
        if number is None:
            break
        numbers.append(int(number[0]))
    return tuple(numbers)
