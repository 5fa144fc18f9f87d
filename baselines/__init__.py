"""Published models and the floors below them, one file each."""
