"""A stand-in for the LINE Platform, for demos, tests and development."""
