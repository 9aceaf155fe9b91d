"""The data dictionary and the diagrams, written from the models alone (requirement S9).

`sql` words what the models declare as PostgreSQL does, `relations` tells which table refers to which,
`dictionary` and `diagrams` make pages and pictures of it, and `files` writes and compares them.
"""

from devmentor_models.documentation.files import compare, draw, render, write

__all__ = ["compare", "draw", "render", "write"]
