"""The HDF5 metadata file of dbcollection and the cache that its loader reads."""
