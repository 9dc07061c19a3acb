"""Sessions and the tokens they give: signing in, refreshing, logging out; and the signing keys."""
