"""What feedback knows of organizations, units, people and goals: copies others keep current."""
