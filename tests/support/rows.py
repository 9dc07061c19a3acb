"""The rows of roles.tsv that can carry out all that they answer for."""

ROWS_THAT_WORK = [
    "VAB-1",
    "VAB-2",
    "VAB-6",
    "LAT-4",
    "WB-1",
    "WD-1",
    "GTM-4",
    "PER-4",
    "KOA-2",
    "ALY-1",
    "ALY-2",
    "ALY-3",
    "PRO-4",
    "MOO-1",
    "MOO-2",
]
