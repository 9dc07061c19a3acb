"""Feedback on goals: asked for by requests, answered, declined, or given unasked."""
