"""Verified parameter counts of GraphCAGE, and of MORAH, which adds none."""

from benchmark.task import Dims

MOSI = Dims(
    {"text": 300, "audio": 5, "vision": 20}, lengths={"text": 50, "audio": 375, "vision": 500}
)
MOSEI = Dims(
    {"text": 300, "audio": 74, "vision": 35}, lengths={"text": 50, "audio": 500, "vision": 500}
)
IEMOCAP = Dims(
    {"text": 300, "audio": 74, "vision": 35},
    outputs=8,
    lengths={"text": 20, "audio": 400, "vision": 500},
)

COUNTS = [
    ("README MOSI", "graph-cage", MOSI, {}, 35_929_491, "total"),
    ("README MOSEI", "graph-cage", MOSEI, {"capsule": 64}, 81_242_667, "total"),
    ("argparse MOSEI", "graph-cage", MOSEI, {}, 40_732_011, "total"),
    ("released MOSI", "morah", MOSI, {}, 35_929_491, "total"),
    ("released MOSEI", "morah", MOSEI, {}, 40_732_011, "total"),
    ("released IEMOCAP", "morah", IEMOCAP, {}, 35_740_466, "total"),
]
