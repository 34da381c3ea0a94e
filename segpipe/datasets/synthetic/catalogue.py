"""The made-up shop: departments in four price tiers, and the products of each.

A product has a department and a number, which determine its list price. Prices rise with the
number, around the department's median.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa

from segpipe.core.arrays import Ints

RANGES = ("Basics", "Home", "Studio", "Atelier")  # one per tier
TIER_PRICES = (2.5, 17.0, 115.0, 780.0)  # e^1.9 apart
DEPARTMENTS = (
    "Kitchen", "Garden", "Bath", "Bedroom", "Office", "Lighting", "Textiles", "Tools",
    "Toys", "Sports", "Travel", "Pets", "Beauty", "Crafts", "Music", "Books",
)  # fmt: skip
CLASSES = ("Accessories", "Sets", "Single items")
NOUNS = ("bowl", "lamp", "case", "brush", "frame", "stand", "cover", "basket")
N_DEPARTMENTS = len(DEPARTMENTS)
N_CATEGORIES = len(RANGES) * N_DEPARTMENTS
N_PRODUCTS = 240  # of each category
PRICE_SLOPE = 0.45  # log price from the middle number to either end


@cache
def price_cents() -> Ints:
    """List price in cents of every product, shape (N_CATEGORIES * N_PRODUCTS,)."""
    number = np.arange(N_PRODUCTS)
    middle = N_PRODUCTS / 2
    factor = np.exp((number - middle) / middle * PRICE_SLOPE)
    department = 1 + 0.05 * np.cos(np.arange(N_DEPARTMENTS) * 2.4)
    base = np.outer(np.array(TIER_PRICES), department).ravel()
    cents: Ints = np.rint(np.outer(base, factor) * 100).astype(np.int64).ravel()
    return cents


@cache
def category_names() -> pa.Array:
    """Department within its range, such as "Kitchen Studio"."""
    return pa.array([f"{department} {tier}" for tier in RANGES for department in DEPARTMENTS])


@cache
def product_classes() -> pa.Array:
    """Class of every product, the finer of the two groupings."""
    names = category_names().to_pylist()
    classes = [f"{name} {kind}" for name in names for kind in CLASSES]
    return pa.array(classes).take(
        pa.array(np.arange(N_CATEGORIES).repeat(N_PRODUCTS) * 3 + np.tile(_numbers() % 3, 64))
    )


@cache
def titles() -> pa.Array:
    """Title of every product; some have commas and quotes, as real exports do."""
    return pa.array(
        [_title(name, number) for name in category_names().to_pylist() for number in _numbers()]
    )


@cache
def product_ids() -> pa.Array:
    """Id of every product: category and number."""
    return pa.array(
        [f"P{category:02d}-{number:03d}" for category in range(64) for number in _numbers()]
    )


def _numbers() -> Ints:
    return np.arange(N_PRODUCTS)


def _title(category: str, number: int) -> str:
    noun = NOUNS[number % len(NOUNS)]
    if number % 5 == 0:
        return f'{category} {noun}, {number % 40 + 1}"'
    if number % 5 == 1:
        return f'{category} "No. {number}" {noun}, boxed'
    return f"{category} {noun} {number}"
