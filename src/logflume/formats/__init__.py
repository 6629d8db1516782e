"""File formats: one module for each format on disk, with its file names, writing and reading."""
