"""The options by which remote places are reached, and what is kept of them on this host.

They decide no byte of an output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Literal

from msgspec import Meta

from pipeline.documents.values import Place
from pipeline.storage.s3.settings import Settings

MOST_IN_FLIGHT: Final = 1024
NOT_STAGED: Final = "none"
"""The value of ``--stage`` that has archives read where they lie."""


@dataclass(frozen=True)
class RemoteOptions:
    """How remote places are reached; an empty text is read from AWS's own variables and files.

    Attributes:
        s3_endpoint: URL of the store.
        s3_region: its region.
        s3_profile: section of AWS's files.
        s3_unsigned: whether requests are sent without a signature.
        s3_addressing: whether the bucket stands in the path or in the host name.
        s3_checksums: when checksums are sent and asked for, beside those that the protocol needs.
        in_flight: requests of one process under way at a time.
        scratch: folder of this host for files on their way; "": one below the user's cache.
        stage: folder of this host for copies of the archives that are read; `NOT_STAGED`: they are
            read where they lie; "": the command decides.
        chosen: whether the command has decided on `stage`, which nobody has asked for: it holds for
            this host, and no printed command repeats it.
    """

    s3_endpoint: str = ""
    s3_region: str = ""
    s3_profile: str = ""
    s3_unsigned: bool = False
    s3_addressing: Literal["path", "virtual", "auto"] | None = None
    s3_checksums: Literal["when_required", "when_supported"] | None = None
    in_flight: Annotated[int, Meta(ge=1, le=MOST_IN_FLIGHT)] = 64
    scratch: Place = ""
    stage: Place = ""
    chosen: bool = False

    @property
    def stage_folder(self) -> str:
        """The folder that archives are copied into before they are read; "": none."""
        return "" if self.stage == NOT_STAGED else self.stage

    @cached_property  # it is asked for with each object
    def s3(self) -> Settings:
        """The settings of S3.

        Raises:
            UsageError: one means nothing.
        """
        return Settings(
            endpoint=self.s3_endpoint or None,
            region=self.s3_region or None,
            profile=self.s3_profile or None,
            unsigned=self.s3_unsigned,
            addressing=self.s3_addressing,
            checksums=self.s3_checksums,
        )


DEFAULT: Final = RemoteOptions()
