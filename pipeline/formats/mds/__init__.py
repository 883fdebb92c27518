"""MDS shards, and the index by which MosaicML's streaming finds them."""
