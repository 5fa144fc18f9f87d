"""From a grid of plans to records: planning, one cell, many cells."""
