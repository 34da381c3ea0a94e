"""A run for people to read: as text, and as one HTML page."""
