"""The plots of a table, one file each, and what they share."""
