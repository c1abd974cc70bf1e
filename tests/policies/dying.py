"""A process of the policy that kills itself, without a word, at a step of its nth transaction: `URL STEP N`.

As `kill -9` would: nothing is given back, nothing is flushed.
"""

import os
import signal
import sys

from order_ledger.journal.database_roles import as_role
from order_ledger.journal.journal import Journal
from order_ledger.policies.engine.finding import find
from order_ledger.policies.engine.running import Runner
from tests.policies.conftest import MASTER


def main(url: str, step: str, number: str) -> None:
    reached: list[str] = []

    def die(at: str) -> None:
        reached.append(at)
        if reached.count(step) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    with Journal(as_role(url, "order_ledger_policy"), MASTER) as journal:
        runner = Runner(journal, find("issue_documents"), batch=4, reached=die)
        with runner.connect() as connection:
            runner.prepare(connection)
            runner.catch_up(connection)


if __name__ == "__main__":
    main(*sys.argv[1:])
