"""TFRecord files of `tf.train.Example` records, with TensorFlow's ImageNet features."""
