"""Adapter: what the phone-number library knows, at the speed a bulk needs."""
