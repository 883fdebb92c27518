"""MXNet's RecordIO files: image records, their framing and their index."""
