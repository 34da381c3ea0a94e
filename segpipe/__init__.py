"""segpipe: behavioural segments on 13 axes for every customer of a shop, published in PostgreSQL."""

__all__ = ["__version__"]

__version__ = "0.1.0"
