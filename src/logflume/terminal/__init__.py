"""Events and numbers as text for a terminal."""
