"""What is known of published datasets, for the doctor and for imports.

To add a dataset, add a line to `PUBLISHED`, and leave out what is not known.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """Facts of a dataset whose name begins with a certain word.

    Attributes:
        sizes: samples of train, valid and test, one triple for each split in use.
        widths: width of text -> widths of audio and vision that come with it: text of 768 features
            is of MMSA, of 300 of MulT.
        files: name of a published file -> the first 12 hex digits of its SHA-256.
    """

    sizes: tuple[tuple[int, int, int], ...] = ()
    widths: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


PUBLISHED: Mapping[str, Published] = {
    "mosi": Published(
        sizes=((1284, 229, 686), (1283, 229, 686), (1283, 214, 686), (1281, 229, 685)),
        widths={768: (5, 20), 300: (5, 20)},
        # The SHA-256 of these files and those below stand in the README of MMSA.
        files={
            "CMU-MOSI aligned_50.pkl": "d3994fd25681",
            "CMU-MOSI unaligned_50.pkl": "78e0f8b5ef8f",
        },
    ),
    "mosei": Published(
        sizes=((16326, 1871, 4659), (16322, 1871, 4659), (16315, 1871, 4654)),
        widths={768: (74, 35), 300: (74, 35)},
        files={
            "CMU-MOSEI aligned_50.pkl": "45eccfb748a8",
            "CMU-MOSEI unaligned_50.pkl": "ad8b23d50557",
        },
    ),
    "sims": Published(
        sizes=((1368, 456, 457),),
        widths={768: (33, 709)},
        files={"CH-SIMS unaligned_39.pkl": "c9e20c13ec04"},
    ),
    "simsv2": Published(sizes=((2722, 647, 1034),)),
    "iemocap": Published(sizes=((2717, 798, 938),), widths={300: (74, 35)}),
    "mmmo": Published(sizes=((220, 40, 80),)),
    "youtube": Published(sizes=((173, 36, 60),)),
    "pom": Published(sizes=((600, 100, 203),)),
    "urfunny": Published(sizes=((10598, 2626, 3290),)),
}


def family(name: str) -> str:
    """The first word of a dataset's name, by which it is looked up."""
    return re.split(r"[^a-z0-9]", name.lower())[0]


def published(name: str) -> Published:
    """What is known of the dataset of a name; nothing where it is no published one."""
    return PUBLISHED.get(family(name), Published())


def known_file(sha256: str) -> str:
    """The published file of a hash; empty where it is none."""
    files = (pair for dataset in PUBLISHED.values() for pair in dataset.files.items())
    return next((name for name, begin in files if sha256.startswith(begin)), "")
