"""Events and numbers as terminal text."""
