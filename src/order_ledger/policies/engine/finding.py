"""Which policies there are: the modules of the package `policies`, looked at when they are asked for."""

import importlib
import pkgutil
from functools import cache

from order_ledger.faults import Fault
from order_ledger.policies.engine.contract import Policy

_PACKAGE = "order_ledger.policies"


class UnknownPolicy(Fault):
    """There is no policy of this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"There is no policy {name}. There are: {', '.join(names()) or 'none'}.")


@cache
def names() -> tuple[str, ...]:
    """The names of all policies, in order."""
    package = importlib.import_module(_PACKAGE)
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg))


@cache
def find(name: str) -> Policy:
    """The policy of this name; raises `UnknownPolicy`."""
    if name not in names():
        raise UnknownPolicy(name)
    policy = importlib.import_module(f"{_PACKAGE}.{name}").POLICY
    assert isinstance(policy, Policy), f"the module {name} says what it is in POLICY"
    assert policy.name == name, "a policy is called as its module"
    return policy
