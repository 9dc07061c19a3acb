"""What services say to each other: types, and nothing else."""
