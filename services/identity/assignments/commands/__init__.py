"""Every change that moves what somebody may do: roles, people, places, and the first of all."""
