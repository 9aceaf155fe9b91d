"""Roadmaps, progress, assessments and recommendations: PostgreSQL schema ``learning``."""
