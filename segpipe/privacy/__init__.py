"""Customers who ask to be forgotten: removed everywhere, with a report of what is left."""

from segpipe.privacy.forget import Erasure, Forgetting, forget_customer, store_of_customer
from segpipe.privacy.text import forgetting_text

__all__ = ["Erasure", "Forgetting", "forget_customer", "forgetting_text", "store_of_customer"]
