"""Objectives with their key results: what is aimed at, how it is measured, how it ends."""
