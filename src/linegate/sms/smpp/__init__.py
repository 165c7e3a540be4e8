"""SMPP 3.4, the way operators are connected: one kept transceiver session per route."""
