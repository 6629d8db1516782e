"""Events and numbers as text that a person reads in a terminal."""
