"""Verified parameter counts of Graph-MFN."""

from benchmark.task import Dims

NAMES = (
    *("hidden_text", "hidden_audio", "hidden_vision", "memory", "node"),
    *("proposal", "retain", "update", "out"),
)


def _settings(*widths: int) -> dict[str, int]:
    return dict(zip(NAMES, widths, strict=True))


def _unregistered(text: int, audio: int, vision: int, node: int) -> int:
    """The nets of the pair and triple vertices, which the reference fails to register."""
    total = text + audio + vision
    inputs = (text + audio, text + vision, audio + vision, total + 3 * node)
    return sum(width * 100 + 100 + 100 * node + node for width in inputs)


MOSI = _settings(256, 32, 256, 300, 64, 32, 128, 64, 256)
MOSEI = _settings(64, 16, 64, 300, 128, 32, 64, 256, 128)
SIMS = _settings(256, 32, 256, 64, 128, 256, 32, 32, 256)
MOSI_COUNT = 2_110_624 + 208_656
MOSEI_COUNT = 675_792 + _unregistered(64, 16, 64, 128)
SIMS_COUNT = 2_724_860 + _unregistered(256, 32, 256, 128)

COUNTS = [
    (
        "MMSA MOSI",
        "graph-mfn",
        Dims({"text": 768, "audio": 5, "vision": 20}),
        MOSI,
        MOSI_COUNT,
        "total",
    ),
    (
        "MMSA MOSEI",
        "graph-mfn",
        Dims({"text": 768, "audio": 74, "vision": 35}),
        MOSEI,
        MOSEI_COUNT,
        "total",
    ),
    (
        "MMSA SIMS",
        "graph-mfn",
        Dims({"text": 768, "audio": 33, "vision": 709}),
        SIMS,
        SIMS_COUNT,
        "total",
    ),
]
