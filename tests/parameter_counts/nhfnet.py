"""Verified parameter count of NHFNet: the reference holds 49,920 more in gates it never uses."""

from benchmark.task import Dims

COUNTS = [
    (
        "released MOSEI",
        "nhfnet",
        Dims({"text": 768, "audio": 74, "vision": 35}),
        {},
        636_801,
        "total",
    )
]
