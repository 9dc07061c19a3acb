"""One embedded PostgreSQL a run; per worker and service one database cloned from a migrated template."""
