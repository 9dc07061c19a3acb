"""Check-ins: how key results move, append-only."""
