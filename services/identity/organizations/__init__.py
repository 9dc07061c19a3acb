"""Organizations: the tenants, each with its platform, time zone and fiscal year."""
