"""Which projections there are: the folders of the package `projections`, looked at when they are asked for."""

import importlib
import pkgutil
from functools import cache

from order_ledger.faults import Fault
from order_ledger.following.contract import Projection

_PACKAGE = "projections"


class UnknownProjection(Fault):
    """There is no projection of this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"There is no projection {name}. There are: {', '.join(names()) or 'none'}.")


@cache
def names() -> tuple[str, ...]:
    """The names of all projections, in order."""
    package = importlib.import_module(_PACKAGE)
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg))


@cache
def find(name: str) -> Projection:
    """The projection of this name; raises `UnknownProjection`."""
    if name not in names():
        raise UnknownProjection(name)
    projection = importlib.import_module(f"{_PACKAGE}.{name}").PROJECTION
    assert isinstance(projection, Projection), f"the folder {name} says what it is in PROJECTION"
    assert projection.name == name, "a projection is called as its folder"
    return projection
