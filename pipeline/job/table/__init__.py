"""The options of the commands that prepare a data set, one table: spelling, values, help."""
