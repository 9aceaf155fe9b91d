"""The ``projects`` schema: projects, their plan, files, collaborators, credits and activity (S3, F4, S8)."""
