"""Assignments: giving and ending roles, and every change that moves what somebody may do."""
