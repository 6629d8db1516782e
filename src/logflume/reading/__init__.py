"""Reading runs back, while they are written and afterwards."""
