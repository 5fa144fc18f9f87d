"""Datasets: the contract in `spec`, one reader for each layout, and the doctor."""
