"""People: who is in an organization, where they belong, and which roles they hold."""
