"""Administration: what an operator declares becomes rows, and what is there is told."""
