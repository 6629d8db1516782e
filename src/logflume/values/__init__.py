"""Values: snapshots, plain values, kinds of columns, and finished events made of them."""
