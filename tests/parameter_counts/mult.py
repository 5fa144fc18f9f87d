"""Verified parameter counts of MulT."""

from benchmark.task import Dims

MOSI, MOSEI, SIMS = (
    Dims({"text": 768, "audio": 5, "vision": 20}),
    Dims({"text": 768, "audio": 74, "vision": 35}),
    Dims({"text": 768, "audio": 33, "vision": 709}),
)
ORIG = {"width": 30, "heads": 5, "layers": 5, "kernel_text": 1, "kernel_audio": 1}
ORIG |= {"kernel_vision": 1}


def _mmsa(width: int, heads: int, layers: int, *kernels: int) -> dict[str, int]:
    text, audio, vision = kernels
    return {
        **{"width": width, "heads": heads, "layers": layers},
        **{"kernel_text": text, "kernel_audio": audio, "kernel_vision": vision},
    }


COUNTS = [
    ("MMSA MOSI", "mult", MOSI, _mmsa(50, 10, 4, 5, 5, 5), 2_571_551, "total"),
    ("MMSA MOSEI", "mult", MOSEI, _mmsa(30, 6, 4, 5, 1, 3), 982_951, "total"),
    ("MMSA SIMS", "mult", SIMS, _mmsa(50, 10, 2, 5, 1, 1), 1_870_701, "total"),
    ("orig MOSI", "mult", Dims({"text": 300, "audio": 5, "vision": 20}), ORIG, 1_071_211, "total"),
    (
        "orig MOSEI",
        "mult",
        Dims({"text": 300, "audio": 74, "vision": 35}),
        ORIG,
        1_073_731,
        "total",
    ),
]
