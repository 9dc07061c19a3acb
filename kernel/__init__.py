"""How things are done: mechanism that services share and that knows no goal and no review."""
