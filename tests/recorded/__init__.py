"""Runs as earlier versions wrote them, which every later version reads, continues and repairs."""
