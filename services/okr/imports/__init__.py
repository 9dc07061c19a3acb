"""Imports: what other tools exported, brought in row by row with every refusal named."""
