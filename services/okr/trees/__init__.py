"""The goal tree as its reader sees it."""
