"""Adapters to SMS providers: SMPP, Infobip and Twilio, each behind `domain.transport.Transport`."""
