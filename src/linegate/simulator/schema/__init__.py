"""Data the simulator checks messages with: LINE's published schema and the known template keys."""
