"""A small drawn data set in the shape of ILSVRC2012, for the demo and the tests."""
