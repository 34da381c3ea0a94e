"""Order lines to try segpipe on: real ones of a package, and synthetic ones with known truth."""
