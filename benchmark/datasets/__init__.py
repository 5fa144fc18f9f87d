"""Datasets: in memory, in the native folder, by name, and the doctor who examines them."""
