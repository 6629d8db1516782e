"""What an event is: the catalogue of types, the reserved names, and the names that trainers use."""
