"""Reads the bytes of remote objects over HTTP, of web servers and S3 alike, with libcurl.

`transfer` carries requests out and tries them again; `answers` judges what a server sent;
`ranges` and `sequential` are the readers that stand where those of local files do.
"""
