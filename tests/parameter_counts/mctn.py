"""Sizes of MCTN, from its formula."""

from benchmark.task import Dims

COUNTS = [
    (
        "bimodal",
        "mctn",
        Dims({"text": 300, "audio": 34, "vision": 47}),
        {"targets": "vision"},
        112_047,
        "total",
    ),
    ("trimodal", "mctn", Dims({"text": 300, "audio": 34, "vision": 47}), {}, 147_100, "total"),
]
