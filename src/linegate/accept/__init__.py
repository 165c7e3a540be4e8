"""Stage 1: a request becomes rows."""
