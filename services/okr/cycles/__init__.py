"""Cycles: the dated periods that OKRs belong to, and the rhythm of their check-ins."""
