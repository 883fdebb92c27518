"""Parquet shards with images in them, in the layout of Hugging Face's `datasets`."""
