"""What people log with today, and logflume, each behind the same four methods."""
