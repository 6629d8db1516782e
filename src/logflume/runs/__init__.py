"""Which run this is, what its files are called, and who writes it."""
