"""tf.train.Examples, the records of more than one format: encoded, read, and read quickly."""
