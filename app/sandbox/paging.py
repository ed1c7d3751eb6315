"""Kota's lists: page and page_size in, an envelope out."""

from app.sandbox.http import Answer, Call, json_answer
from app.sandbox.noise import Noise
from app.sandbox.problems import Errors, invalid
from app.sandbox.store import Listing

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 10, 100


def _number(call: Call, name: str, *, default: int, most: int, errors: Errors) -> int:
    value = call.query.get(name)
    if value is None:
        return default
    number = int(value) if value.isascii() and value.isdigit() else 0
    if not 1 <= number <= most:
        errors[name] = [f"Must be a whole number from 1 to {most}."]
    return number


def paged(call: Call, listing: Listing, *, noise: Noise, newest_first: bool = True) -> Answer:
    """Raises a problem if the page asked for makes no sense; a page past the end is empty."""
    errors: Errors = {}
    page = _number(call, "page", default=1, most=2**31 - 1, errors=errors)
    size = _number(call, "page_size", default=DEFAULT_PAGE_SIZE, most=MAX_PAGE_SIZE, errors=errors)
    if errors:
        raise invalid(errors)
    bodies, total = listing.window((page - 1) * size, size, newest_first=newest_first)
    return json_answer(
        {
            "items": [noise.dressed(body) for body in bodies],
            "page": page,
            # How many rows this page has, which is less than what was asked for on the last one.
            "page_size": len(bodies),
            "total_count": total,
            "has_next_page": page * size < total,
            "has_previous_page": page > 1,
        }
    )


def chosen(call: Call, name: str, *, allowed: frozenset[str]) -> frozenset[str] | None:
    """The values of a comma-joined filter, None without one. Raises a problem for values that Kota does not know."""
    value = call.query.get(name)
    if not value:
        return None
    values = frozenset(part.strip() for part in value.split(","))
    if not values <= allowed:
        raise invalid({name: [f"Allowed values are: {', '.join(sorted(allowed))}."]})
    return values
