"""The identity of a run, the names of its files, its state, and the lock that protects it."""
