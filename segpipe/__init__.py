"""segpipe: segments on 13 behavioural axes for every customer of a shop, in PostgreSQL."""

__all__ = ["__version__"]

__version__ = "0.3.0"
