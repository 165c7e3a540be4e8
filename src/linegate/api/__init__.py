"""Edge: the HTTP API for clients, and LINE's callbacks."""
