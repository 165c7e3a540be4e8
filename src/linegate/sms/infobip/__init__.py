"""Infobip's SMS API, for customers who migrate LINE and keep their SMS there."""
