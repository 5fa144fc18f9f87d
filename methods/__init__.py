"""Proposed methods, one file each, under the same rules as the baselines."""
