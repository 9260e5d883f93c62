"""Python's search for cyclic garbage, less often where what is made lives on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

COLLECT_AFTER = 100_000
"""Objects after which Python looks for cyclic garbage. Proposals make thousands that live on, and by default it looks at them after
every few hundred."""


@contextmanager
def fewer_collections() -> Iterator[None]:
    """While candidates are judged: look after :data:`COLLECT_AFTER` objects. Also a decorator."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
