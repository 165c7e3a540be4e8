"""Edge: the operator's commands."""
