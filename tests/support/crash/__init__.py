"""Kills linegate at every named point and at random, and checks the books afterwards."""
