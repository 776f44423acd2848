"""How long to wait before the next attempt."""

MOST_DOUBLINGS = 30
"""Beyond it a number of seconds would one day be too large for a float: attempts go on for months."""


def doubled(first: float, attempt: int, longest: float) -> float:
    """`first` seconds for attempt 1, doubled with each that follows, at most `longest`.

    >>> [doubled(1.0, attempt, 60.0) for attempt in (1, 2, 3, 10, 5000)]
    [1.0, 2.0, 4.0, 60.0, 60.0]
    """
    return min(longest, first * 2.0 ** min(attempt - 1, MOST_DOUBLINGS))
