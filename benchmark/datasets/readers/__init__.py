"""Foreign files: one reader for each layout, and what they read bytes with."""
