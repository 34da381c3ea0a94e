"""Customers who ask to be forgotten: removed everywhere, with a report of what is left."""

from segpipe.privacy.forget import Erasure, ErasureReport, erase_customer, store_of_customer
from segpipe.privacy.text import erasure_text

__all__ = ["Erasure", "ErasureReport", "erase_customer", "erasure_text", "store_of_customer"]
