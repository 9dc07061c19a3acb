"""Dashboards: where a company, a unit or a person stands."""
