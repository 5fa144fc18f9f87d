"""Sizes of MCTN, from its formula."""

from benchmark.model import Dims

COUNTS = [
    ("bimodal", "mctn", Dims(300, 34, 47), {"targets": "vision"}, 112_047, "total"),
    ("trimodal", "mctn", Dims(300, 34, 47), {}, 147_100, "total"),
]
