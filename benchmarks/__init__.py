"""Benchmarks: this library beside bare psycopg, a plain ORM session and advanced-alchemy, in one run."""
