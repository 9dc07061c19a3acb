"""What okr knows of organizations, units and people: a copy that identity keeps current."""
