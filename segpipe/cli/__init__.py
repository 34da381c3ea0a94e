"""The command line: thin over the library, it computes nothing of its own."""

from segpipe.cli.main import main, start

__all__ = ["main", "start"]
