"""linegate: a self-hosted LINE notification gateway."""

__version__ = "0.1.0"
