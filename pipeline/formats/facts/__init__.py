"""No shards: only what there is to know of the images, as they lie in their source."""
