"""Beside the stages: LINE's events that are somebody else's go on to their bot."""
