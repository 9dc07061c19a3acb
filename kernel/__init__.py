"""How things are done: mechanism that every service shares and that knows no goal, cycle or review."""
