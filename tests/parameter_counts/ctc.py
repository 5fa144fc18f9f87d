"""Sizes of the CTC baselines: two verified modules and the verified model behind them."""

from benchmark.model import Dims

MODULES = 33_048 + 36_108  # audio 5 and vision 20 wide, 50 words
COUNTS = [
    ("mosi", "ctc-ef-lstm", Dims(300, 5, 20), {}, 249_601 + MODULES, "total"),
    ("mosi", "ctc-mctn", Dims(300, 5, 20), {}, 147_100 + MODULES, "total"),
]
