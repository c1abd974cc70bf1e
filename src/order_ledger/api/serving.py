"""One process of the door: reads its settings, finds its database, listens."""

import json
import os
import signal
import socket
import sys
from contextlib import suppress

import psycopg
import uvicorn
from fastapi import FastAPI

from order_ledger.api.app import create_app
from order_ledger.api.dispatch import Dispatch
from order_ledger.following.installing import install
from order_ledger.following.projections import find, names
from order_ledger.journal.keys import check_master
from order_ledger.journal.migrations import Unfit, inspect
from order_ledger.journal.sealing import CannotOpen, master_key
from order_ledger.postgres import ServerError, server_for
from order_ledger.processes import exit_on_sigterm, exit_with_parent
from order_ledger.settings import Settings

GRACE_SECONDS = 8


def serve(settings: Settings, listening: socket.socket) -> None:
    """Answers until it is told to stop. Every process of the door holds its own share of the server."""
    exit_on_sigterm()  # uvicorn raises the signal again when it has answered the last request
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
    with server_for(settings) as url:
        master = master_key(settings.home, settings.secret_master_key)
        with psycopg.connect(url, autocommit=True) as connection:  # what is wrong is said in one line, not in a log
            inspect(connection)
            check_master(connection, master)
            for name in names():  # empty at first, but there: a list is then empty too, not a fault
                install(connection, find(name))
        app = create_app(url, master)
        config = server_config(app, settings.log_level)
        uvicorn.Server(config).run(sockets=[listening])


def server_config(app: Dispatch | FastAPI, log_level: str) -> uvicorn.Config:
    """How uvicorn answers for us."""
    return uvicorn.Config(
        app,
        log_level=log_level,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        lifespan="on",
        server_header=False,
        proxy_headers=False,  # nothing here asks where a request came from
    )


def serve_many(settings: Settings, listening: socket.socket) -> int:
    """As many processes as the settings say, on one socket; one that falls is started again. Answers its exit code."""
    exit_with_parent()
    if settings.workers == 1:
        serve(settings, listening)
        return 0
    workers: set[int] = set()
    stopping = False

    def stop(number: int, _: object) -> None:
        nonlocal stopping
        stopping = True
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    parent = os.getpid()
    while True:
        while len(workers) < settings.workers and not stopping:
            worker = os.fork()
            if worker == 0:
                _work(settings, listening, parent)
            workers.add(worker)
        if not workers:
            return 0
        ended, _ = os.wait()
        workers.discard(ended)


def _work(settings: Settings, listening: socket.socket, parent: int) -> None:
    """A forked process: it never returns into its parent's code."""
    code = 1
    try:
        exit_with_parent(parent)
        serve(settings, listening)
        code = 0
    except SystemExit:
        code = 0
    except (ServerError, Unfit, CannotOpen, psycopg.Error) as error:
        print(json.dumps({"error": str(error)}), file=sys.stderr, flush=True)
    finally:
        os._exit(code)
