"""What the OpenAPI document says, thrown at the door: no request that it allows, or forbids, makes a fault."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from tests.api.conftest import Atelier, Ledger

ROLES = ("consumer", "ip_owner", "manufacturer", "customer_service", "administrator", "auditor")


def faults(atelier: Atelier, order: str, operation: Any, examples: int) -> list[str]:
    """What went wrong with requests made from the operation's schema; its order is a real one."""
    found: list[str] = []

    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def throw(case: Any) -> None:
        path = operation.path.replace("{order_id}", order).replace("{item_id}", atelier.item)
        path = path.replace("{organisation_id}", str(atelier.seller)).replace("{person_id}", str(uuid4()))
        if path.endswith("/stream"):
            return
        for role in ROLES:
            caller = getattr(atelier, role)
            body = {} if case.body is schemathesis.core.NOT_SET else {"json": case.body}
            answer = caller.http.request(
                case.method, path, headers={"Idempotency-Key": str(uuid4())}, params=_plain(case.query), **body
            )
            if answer.status_code >= 500 or (
                answer.status_code >= 400 and answer.headers["content-type"] != "application/problem+json"
            ):
                found.append(f"{case.method} {path} {body} {answer.status_code} {answer.text[:300]}")

    throw()
    return found


def _plain(query: Any) -> dict[str, str]:
    told = {str(name): str(value) for name, value in dict(query or {}).items()}
    told.pop("wait_for", None)  # it waits, as it should
    return told


@pytest.mark.timeout(300)
def test_no_request_makes_a_fault(ledger: Ledger, atelier: Atelier) -> None:
    document = httpx2.get(f"{ledger.url}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    found: list[str] = []
    order, operations = atelier.placed(), 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operations += 1
        found += faults(atelier, order, result.ok(), examples=3)

    assert operations > 60
    assert found == []
