"""Twilio's Messages API with signed status callbacks."""
