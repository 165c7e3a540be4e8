"""Adapter: the client's own endpoint for delivery reports."""
