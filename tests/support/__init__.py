"""What several tests share: a clock that the test owns, and databases to throw away."""
