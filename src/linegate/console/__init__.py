"""Edge: the operator's web pages, rendered here, without a build step or another host's assets."""
