"""Verified sizes of TFR-Net beside its language model."""

from benchmark.task import Dims

MOSI = Dims(
    {"text": 768, "audio": 5, "vision": 20}, lengths={"text": 50, "audio": 375, "vision": 500}
)
MOSEI = Dims(
    {"text": 768, "audio": 74, "vision": 35}, lengths={"text": 50, "audio": 500, "vision": 500}
)
COUNTS = [
    ("MMSA MOSI", "tfr-net", MOSI, {"variant": "mmsa"}, 14_850_620, "rest"),
    ("MMSA MOSEI", "tfr-net", MOSEI, {"variant": "mmsa"}, 18_812_589, "rest"),
]
