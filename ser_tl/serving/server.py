"""Processes that share a port: one that computes, or several and one that looks after them.

    SIGTERM, SIGINT    take nothing new, finish what was taken, end
    SIGHUP             load the models again; requests under way keep theirs

The port is bound once and handed on, so that a connection waits in the system's queue while a process is replaced.
"""

import asyncio
import logging
import math
import os
import signal
import socket
import sys
import threading
from typing import Any

import uvicorn

from ser_tl.errors import ConfigError, SerTlError
from ser_tl.serving.acceptor import Acceptor, Shares
from ser_tl.serving.app import create_app
from ser_tl.serving.connections import bound_protocol
from ser_tl.serving.logs import configure_logs, log_event
from ser_tl.serving.models import ModelStore
from ser_tl.serving.service import Service
from ser_tl.serving.settings import Settings

MOST_MESSAGE = 1 << 20
"""Bytes in one message of a live stream; larger ones end it with close code 1009."""

FAILED_TO_LOAD = 3
"""The exit status of a process whose models can't be loaded: another wouldn't fare better."""


def serve(settings: Settings) -> None:
    """Serves until a signal ends it.

    Raises:
        CheckpointError: a model can't be loaded
        ConfigError: the port is taken
    """
    configure_logs()
    port = bind_port(settings)
    if settings.workers > 1:
        from ser_tl.serving.supervisor import Supervisor

        Supervisor(settings, port).run()
    else:
        run_worker(settings, port)


def bind_port(settings: Settings) -> socket.socket:
    """The port, not listened on yet.

    Raises:
        ConfigError: it is taken, or not permitted
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    port = socket.socket(family)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        port.bind((settings.host, settings.port))
    except OSError as error:
        port.close()
        raise ConfigError(
            f"host {settings.host}, port {settings.port}: {error.strerror}: choose another port, or 0 for a free one"
        ) from error
    port.set_inheritable(True)
    return port


def run_worker(settings: Settings, port: socket.socket, shares: Shares | None = None) -> None:
    """Serves in this process.

    Args:
        settings: limits
        port: bound
        shares: of the processes on the port; None if this one is alone

    Raises:
        CheckpointError: a model can't be loaded
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads))  # read when torch is imported
    store = ModelStore(settings.models, settings.device)
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it has ended by them
        signal.signal(number, _do_nothing)
    make_server(settings, store, shares).run(sockets=[port])


def make_server(settings: Settings, store: ModelStore, shares: Shares | None = None) -> "Server":
    """The server of one process, which `run(sockets=[port])` starts.

    Args:
        settings: limits
        store: models
        shares: of the processes on the port; None if this one is alone
    """
    app = create_app(settings, store)

    def tell() -> None:
        server.tell_connections()

    config = uvicorn.Config(
        app,
        http=bound_protocol(settings.header_timeout, settings.read_timeout, tell),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout),
        ws_max_size=MOST_MESSAGE,
    )
    server = Server(config, app.state.service, shares)
    return server


def run_spawned_worker(settings: Settings, port: socket.socket, shares: Shares) -> None:
    """`run_worker` for a process of its own, which prints errors instead of raising them."""
    configure_logs()
    try:
        run_worker(settings, port, shares)
    except SerTlError as error:
        log_event("failed to load", logging.ERROR, reason=str(error))
        sys.exit(FAILED_TO_LOAD)


def _do_nothing(*_: object) -> None:
    pass


class Server(uvicorn.Server):
    """uvicorn's server, which reloads models by SIGHUP and lets streams end before it does.

    Args:
        config: uvicorn's
        service: of its application
        shares: of the processes on the port; None if this one is alone
    """

    def __init__(self, config: uvicorn.Config, service: Service, shares: Shares | None = None) -> None:
        super().__init__(config)
        self.service = service
        self._shares = shares
        self.loop: asyncio.AbstractEventLoop | None = None
        self._reloads: set[asyncio.Task[None]] = set()
        self._acceptors: list[Acceptor] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen, on the port and to SIGHUP, and says so."""
        ports, connections = sockets or [], self.server_state.connections
        self._acceptors = [
            Acceptor(port, self._make_protocol, lambda: len(connections), self._shares) for port in ports
        ]
        await super().startup([])  # uvicorn's own listening would take all connections that wait at once
        for acceptor in self._acceptors:
            acceptor.start()
        self.loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():  # elsewhere no signal arrives
            self.loop.add_signal_handler(signal.SIGHUP, self.begin_reload)
        if self.started:  # not before: who reads this connects
            port = ports[0].getsockname()[1]
            names = {model.name: model.version for model in self.service.store.models}
            log_event("serving", url=f"http://{self.service.settings.host}:{port}/", models=names)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends when what was taken is done."""
        self.service.draining = True
        await self.service.end_streams()
        for acceptor in self._acceptors:
            await acceptor.stop()
        await super().shutdown(sockets)

    def tell_connections(self) -> None:
        """Tells the other processes on the port how many connections this one has."""
        for acceptor in self._acceptors:
            acceptor.tell()

    def _make_protocol(self) -> asyncio.Protocol:
        config: Any = self.config
        return config.http_protocol_class(config=config, server_state=self.server_state, app_state=self.lifespan.state)

    def begin_reload(self) -> None:
        """Loads the models again, beside the requests; within the server's loop."""
        task = asyncio.create_task(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        try:
            changed = await asyncio.to_thread(self.service.store.reload)
        except Exception as error:  # the old models go on, whatever is wrong with the new ones
            self.service.metrics.reloads.labels("failed").inc()
            log_event("failed to reload", logging.ERROR, reason=str(error))
            return
        self.service.metrics.reloads.labels("done").inc()
        log_event("reloaded", changed={model.name: model.version for model in changed})
