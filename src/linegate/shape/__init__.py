"""Stage 2: waiting rows become due."""
