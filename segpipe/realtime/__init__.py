"""Assigns the customers of a request in real time, by the model and the stages of the batch."""

from segpipe.core.assigned import Assigned, Refused
from segpipe.realtime.assign import assign_by_day, assign_customers
from segpipe.realtime.customers import Customer, Item, Order, Ticket, customer_of
from segpipe.realtime.prepared_features import PreparedFeatures, prepare_features

__all__ = [
    "Assigned",
    "Customer",
    "Item",
    "Order",
    "PreparedFeatures",
    "Refused",
    "Ticket",
    "assign_by_day",
    "assign_customers",
    "customer_of",
    "prepare_features",
]
