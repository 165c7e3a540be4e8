"""Adapter: PostgreSQL, the only storage and coordination engine."""
