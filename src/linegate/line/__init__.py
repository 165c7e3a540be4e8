"""Adapter: the LINE Platform."""
