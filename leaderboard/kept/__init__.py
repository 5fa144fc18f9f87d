"""Records kept with the project: as lines to read in a diff, and back."""
