"""The formats on disk: one module knows how each is named, written, read back and repaired."""
