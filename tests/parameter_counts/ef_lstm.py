"""Verified parameter counts of EF-LSTM."""

from benchmark.model import Dims

MOSI = {"hidden": 128, "layers": 4, "variant": "mmsa"}
MOSEI = {"hidden": 256, "layers": 2, "variant": "mmsa"}
SIMS = {"hidden": 32, "layers": 3, "steps": 39, "variant": "mmsa"}

COUNTS = [
    ("orig", "ef-lstm", Dims(300, 5, 20), {"hidden": 128, "layers": 1}, 249_601, "total"),
    ("MMSA MOSI", "ef-lstm", Dims(768, 5, 20), MOSI, 885_605, "total"),
    ("MMSA MOSEI", "ef-lstm", Dims(768, 74, 35), MOSEI, 1_754_725, "total"),
    ("MMSA SIMS", "ef-lstm", Dims(768, 33, 709), SIMS, 215_695, "total"),
]
