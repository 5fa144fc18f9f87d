"""The plots of a table, one file each, found by themselves, and what they share."""
