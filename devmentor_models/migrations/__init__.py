"""How migrations run, and what autogenerate sees."""
