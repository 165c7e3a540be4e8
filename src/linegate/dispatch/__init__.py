"""Stage 3: due messages become outcomes."""
