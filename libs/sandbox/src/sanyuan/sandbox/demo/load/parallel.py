"""Many things at once, but not too many."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


async def in_parallel(
    items: Iterable[Item], do: Callable[[Item], Awaitable[None]], limit: int
) -> None:
    """Do something with each item, in order, at most ``limit`` under way; raises what it raises."""
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            await do(item)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(limit):
            tasks.create_task(work())
