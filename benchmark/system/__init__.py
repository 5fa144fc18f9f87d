"""The machine: files written whole, processes, and what numbers depend on besides their cell."""
