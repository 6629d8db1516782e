"""logflume."""
