"""ArrayRecord files of tf.train.Examples, which Grain reads by number."""
