"""The AI gateway's providers, models, response cache and usage: PostgreSQL schema ``ai``."""
