"""Measures an installation against the targets of its design; `python -m benchmarks` runs it."""
