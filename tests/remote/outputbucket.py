"""An output folder in a bucket, as the functions of `storage` reach it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faultproxy import FaultProxy, Passed
from s3bucket import Bucket

from pipeline.storage import Remote, RemoteOptions


@dataclass(frozen=True)
class Output:
    """An output folder in a bucket, reached by a proxy that spoils and counts requests.

    Attributes:
        bucket: for what a test prepares and looks at without the product.
        proxy: between the product and the server.
        scratch: the scratch folder of the product.
    """

    bucket: Bucket
    proxy: FaultProxy
    scratch: Path

    @property
    def place(self) -> Remote:
        """The output folder."""
        return self.bucket.folder

    @property
    def options(self) -> RemoteOptions:
        """How the product reaches it."""
        return RemoteOptions(s3_endpoint=self.proxy.url, scratch=str(self.scratch))

    def requests(self) -> list[str]:
        """Return method and kind of the requests since `FaultProxy.follow`, in order."""
        return [kind_of(each) for each in self.proxy.passed()]

    def temporary_files(self) -> list[str]:
        """Return the names of what lies in the scratch folder, not in folders below it."""
        return sorted(path.name for path in self.scratch.rglob("*.tmp"))


def kind_of(passed: Passed) -> str:
    """Return the method of a request, or ``LIST``."""
    method, path = passed.request.split(" ")[:2]
    return "LIST" if "list-type=2" in path else method
