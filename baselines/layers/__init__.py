"""Blocks that two or more models share, all of them blind to padding."""
