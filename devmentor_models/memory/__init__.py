"""Documents, chunks, vectors and their search: PostgreSQL schema ``memory``."""
