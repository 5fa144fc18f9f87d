"""Records: their schema, their files, and the version of the harness that made them."""
