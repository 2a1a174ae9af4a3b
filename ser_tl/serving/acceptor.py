"""New connections, shared out among the processes of a port.

All of them wait at one socket. The first to wake would take every connection that waits there, and keep those clients
for as long as they like, while the others have nothing to do. So each takes one at a time, and leaves it to the others
for a moment while one of them has fewer. How many each has is in memory that they share.
"""

import asyncio
import socket
from collections.abc import Callable, MutableSequence

BACKLOG = 2048
"""Connections that wait at the port."""

_PAUSE = 0.001  # seconds between looks at what the others have; timers of event loops know no shorter time
_MOST_LOOKS = 10  # a process that is stopped, or has too much to do, keeps no connection waiting for longer
_FULL_PAUSE = 1.0  # seconds until the next try where the system has no descriptor or memory for a connection


_AWAY = 1 << 30  # more than anyone has: nobody waits for a process that takes none


class Shares:
    """How many connections each process of a port has.

    Args:
        counts: of all processes, in memory that they share
        index: of this process
    """

    def __init__(self, counts: MutableSequence[int], index: int) -> None:
        self._counts = counts
        self._index = index

    @property
    def is_due(self) -> bool:
        """Whether no process has fewer than this one."""
        return self._counts[self._index] <= min(self._counts)

    def tell(self, count: int) -> None:
        """Tells the others how many this one has."""
        self._counts[self._index] = count

    def leave(self) -> None:
        """Tells the others that this one takes no more."""
        self.tell(_AWAY)


class Acceptor:
    """Takes connections from a port; within a running loop.

    Args:
        port: bound
        make_protocol: of each connection
        count: tells how many connections this process has
        shares: of the processes that take connections from the port; None if this one is alone
    """

    def __init__(
        self,
        port: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        count: Callable[[], int],
        shares: Shares | None = None,
    ) -> None:
        self._port = port
        self._make_protocol = make_protocol
        self._count = count
        self._shares = shares
        port.listen(BACKLOG)
        port.setblocking(False)

    def start(self) -> None:
        """Begins to take connections."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Takes no more."""
        if self._shares is not None:
            self._shares.leave()
            self._shares = None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def tell(self) -> None:
        """Tells the other processes how many connections this one has, when that has changed."""
        if self._shares is not None:
            self._shares.tell(self._count())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await _wait_readable(loop, self._port)
            if self._shares is not None:
                await self._wait_turn(self._shares)
            try:
                connection, _ = self._port.accept()
            except (BlockingIOError, ConnectionAbortedError):  # another process was first, or the client has gone
                continue
            except OSError:
                await asyncio.sleep(_FULL_PAUSE)
                continue
            try:
                await loop.connect_accepted_socket(self._make_protocol, connection)
            except OSError:
                connection.close()

    async def _wait_turn(self, shares: Shares) -> None:
        self.tell()
        for _ in range(_MOST_LOOKS):
            if shares.is_due:
                return
            await asyncio.sleep(_PAUSE)


async def _wait_readable(loop: asyncio.AbstractEventLoop, port: socket.socket) -> None:
    ready = loop.create_future()
    loop.add_reader(port, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(port)
