"""Corruptions of the test split, and the scores that say how well a model withstands them."""

from robustness.corruptions import CORRUPTIONS, Corruption, corrupt, fingerprint

__all__ = ["CORRUPTIONS", "Corruption", "corrupt", "fingerprint"]
