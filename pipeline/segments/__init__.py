"""Images of archives in the order of shards: segments that are sorted where seeks are slow."""
