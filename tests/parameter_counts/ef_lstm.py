"""Verified parameter counts of EF-LSTM."""

from benchmark.task import Dims

MOSI = {"hidden": 128, "layers": 4, "variant": "mmsa"}
MOSEI = {"hidden": 256, "layers": 2, "variant": "mmsa"}
SIMS = {"hidden": 32, "layers": 3, "steps": 39, "variant": "mmsa"}

COUNTS = [
    (
        "orig",
        "ef-lstm",
        Dims({"text": 300, "audio": 5, "vision": 20}),
        {"hidden": 128, "layers": 1},
        249_601,
        "total",
    ),
    ("MMSA MOSI", "ef-lstm", Dims({"text": 768, "audio": 5, "vision": 20}), MOSI, 885_605, "total"),
    (
        "MMSA MOSEI",
        "ef-lstm",
        Dims({"text": 768, "audio": 74, "vision": 35}),
        MOSEI,
        1_754_725,
        "total",
    ),
    (
        "MMSA SIMS",
        "ef-lstm",
        Dims({"text": 768, "audio": 33, "vision": 709}),
        SIMS,
        215_695,
        "total",
    ),
]
