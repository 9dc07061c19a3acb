"""How goals hang together: links, the goal tree, and the fold that rolls progress up."""
