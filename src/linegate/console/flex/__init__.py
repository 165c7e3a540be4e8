"""A bubble as HTML, as the phone shows it."""
