"""An image as it is stored: as it is, or encoded anew; which of the two is chosen once for all."""

from __future__ import annotations

from pipeline.images.engine import engine
from pipeline.images.passthrough import PassedThrough, pass_through
from pipeline.images.raster import Encoding
from pipeline.images.spec import EncodeSpec, Processed
from pipeline.storage import Buffer


class ImageEncoder:
    """Gives the bytes that are stored of each image.

    Args:
        spec: how images are encoded that are encoded anew.
        engine_name: which engine encodes them.
        passes: whether images keep their bytes wherever they may.

    Raises:
        UsageError: there is no such engine, or its library is not installed.
    """

    def __init__(self, spec: EncodeSpec, engine_name: str, *, passes: bool) -> None:
        self._spec = spec
        self._engine = engine(engine_name)
        self._passes = passes

    def encode(self, data: Buffer) -> Processed | PassedThrough:
        """Return an image as it is stored.

        Raises:
            BadImage: see `pass_through` and `Engine.process`.
        """
        if self._passes:
            return pass_through(data, self._spec, self._engine)
        return self._engine.process(data, self._spec)

    def codec(self, encoding: Encoding) -> str | None:
        """Return the codec that makes images of an encoding; None where none is encoded anew.

        Raises:
            EnvironmentRefused: it is not installed.
        """
        encodes = not self._passes or self._spec.transcode or self._spec.orientation == "bake"
        return self._engine.codec(encoding) if encodes else None
