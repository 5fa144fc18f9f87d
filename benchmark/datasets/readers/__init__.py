"""Layouts of datasets: one module each, which declares its `READER`."""
