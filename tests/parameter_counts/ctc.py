"""Sizes of the CTC baselines: two verified modules and the verified model behind them."""

from benchmark.task import Dims

MODULES = 33_048 + 36_108  # audio 5 and vision 20 wide, 50 words
COUNTS = [
    (
        "mosi",
        "ctc-ef-lstm",
        Dims({"text": 300, "audio": 5, "vision": 20}),
        {},
        249_601 + MODULES,
        "total",
    ),
    (
        "mosi",
        "ctc-mctn",
        Dims({"text": 300, "audio": 5, "vision": 20}),
        {},
        147_100 + MODULES,
        "total",
    ),
]
