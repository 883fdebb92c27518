"""The library: raw image archives in, verified training-ready shards out.

Nothing here imports Luigi, prints, or keeps global state. Functions take paths and
specifications and return facts; the tasks that schedule them live in ``tasks``.
"""

__version__ = "0.1.0"
