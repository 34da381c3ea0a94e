"""The support axis of the channels through which customers order, or ask for help, as a record."""

from __future__ import annotations

from segpipe.axes.conditions import above, at_least, at_most, below
from segpipe.axes.record import Axis, Claim, Eligibility, Feature, Prototype, Rule, State

_ORDER_CHANNELS = ("channel",)
_TICKETS = ("tickets",)
_SURE = 0.8  # chance from which on a channel is the customer's

COMMUNICATION_PREFERENCE = Axis(
    name="communication_preference",
    question="Through which channel?",
    group="support",
    eligibility=(Eligibility("n_tickets", 1, "no_contact", needs=_TICKETS),),
    features=(
        *(
            Feature(f"expected_channel_{rank}_share", needs=_ORDER_CHANNELS, unless=_TICKETS)
            for rank in (1, 2, 3)
        ),
        *(
            Feature(f"expected_ticket_{kind}_share", needs=_TICKETS)
            for kind in ("email", "chat", "phone", "self_service")
        ),
    ),
    rules=(
        *(
            Rule(
                name,
                meaning,
                ((at_least(f"mostly_{kind}_chance", _SURE),),),
                chance=f"mostly_{kind}_chance",
                claim=(above(f"{kind}_order_share", 0.5),),
                needs=_ORDER_CHANNELS,
                unless=_TICKETS,
            )
            for name, kind, meaning in (
                ("web_first", "web", "order mostly on the web"),
                ("in_store", "store", "buy mostly in the store"),
                ("assisted", "assisted", "order mostly through staff"),
            )
        ),
        Rule(
            "omnichannel",
            "order through several channels, none of them nearly always",
            ((at_least("n_channels", 2), at_most("one_channel_chance", 0.2)),),
            chance="one_channel_chance",
            is_complement=True,
            claim=(at_least("n_channels", 2), below("top_channel_share", 0.8)),
            needs=_ORDER_CHANNELS,
            unless=_TICKETS,
        ),
        *(
            Rule(
                name,
                meaning,
                ((at_least(f"mostly_{kind}_tickets_chance", _SURE),),),
                chance=f"mostly_{kind}_tickets_chance",
                claim=(above(f"ticket_{kind}_share", 0.5),),
                needs=_TICKETS,
            )
            for name, kind, meaning in (
                ("email_preferred", "email", "ask for help mostly by e-mail"),
                ("chat_preferred", "chat", "ask for help mostly by chat"),
                ("phone_preferred", "phone", "ask for help mostly by phone"),
                ("self_service", "self_service", "help themselves mostly"),
            )
        ),
        Rule(
            "omnichannel",
            "ask for help through several channels, none of them nearly always",
            ((at_least("n_ticket_kinds", 2), at_most("one_ticket_channel_chance", 0.2)),),
            chance="one_ticket_channel_chance",
            is_complement=True,
            claim=(at_least("n_ticket_kinds", 2), below("top_ticket_kind_share", 0.8)),
            needs=_TICKETS,
        ),
    ),
    otherwise=(
        State("too_few_orders", unless=_TICKETS),
        State("too_few_tickets", needs=_TICKETS),
    ),
    prototypes=(
        Prototype(
            "web_first",
            "order on the web",
            {"web_order_share": 0.8, "channel_switch_share": -0.3},
            (Claim("web_order_share", "above", value=0.5),),
            needs=_ORDER_CHANNELS,
            unless=_TICKETS,
        ),
        Prototype(
            "in_store",
            "buy in the store",
            {"store_order_share": 1.2, "channel_switch_share": -0.3},
            (Claim("store_order_share", "above", value=0.5),),
            needs=_ORDER_CHANNELS,
            unless=_TICKETS,
        ),
        Prototype(
            "assisted",
            "order through staff",
            {"assisted_order_share": 1.5, "channel_switch_share": -0.3},
            (Claim("assisted_order_share", "above", value=0.5),),
            needs=_ORDER_CHANNELS,
            unless=_TICKETS,
        ),
        Prototype(
            "omnichannel",
            "move between channels",
            {"n_channels": 1.2, "channel_switch_share": 1.2},
            (
                Claim("n_channels", "above", value=1),
                Claim("channel_switch_share", "above", quantile=0.5),
            ),
            needs=_ORDER_CHANNELS,
            unless=_TICKETS,
        ),
        *(
            Prototype(
                name,
                description,
                {measure: 1.3},
                (Claim(measure, "above", value=0.5),),
                needs=_TICKETS,
            )
            for name, measure, description in (
                ("email_preferred", "ticket_email_share", "mostly ask for help by e-mail"),
                ("chat_preferred", "ticket_chat_share", "mostly ask for help by chat"),
                ("phone_preferred", "ticket_phone_share", "mostly ask for help by phone"),
                ("self_service", "ticket_self_service_share", "mostly help themselves"),
            )
        ),
    ),
)
