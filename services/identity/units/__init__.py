"""Units: the tree of an organization, from the company down to its teams."""
