"""Adapter: the SMS routes a failover goes out by."""
