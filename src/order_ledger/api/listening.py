"""The socket of the door: apart from what answers at it, so that asking for one loads no web server."""

import socket

from order_ledger.settings import Settings


def listen(settings: Settings) -> socket.socket:
    """The socket that every process of the door accepts from; raises `OSError` where the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((settings.host, settings.port))
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening
