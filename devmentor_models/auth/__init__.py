"""Users, sessions, tokens, teams and the audit trail: PostgreSQL schema ``auth``."""
