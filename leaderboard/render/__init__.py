"""A table in print: on a terminal, as Markdown, LaTeX and CSV."""
