"""The built-in processors, one module each; registered in the group `logflume.processors`."""
