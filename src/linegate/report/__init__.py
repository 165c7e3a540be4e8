"""Stage 4: finished messages become delivery reports."""
