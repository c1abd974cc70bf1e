"""Headers of a request."""

from starlette.requests import Request


def header(request: Request, name: bytes) -> str | None:
    """A header by its name in lower case; read without making a mapping of all of them."""
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None
