"""What the OpenAPI document says of routes that read their own body: a command's schema, headers and answers."""

from typing import Any

from pydantic import BaseModel

PROBLEMS = {
    "400": "No role chosen, or no Idempotency-Key.",
    "401": "No token, or one that is not valid.",
    "403": "The role may not; `roles` names those that may.",
    "404": "There is no such thing, or it is not yours to see.",
    "406": "It is not made in this form; `detail` says why.",
    "409": "Refused: `blocked_by` says what is missing and who can mend it.",
    "412": "The history went on after the version in If-Match.",
    "413": "The body is too large.",
    "422": "The request is not well formed: `violations` names each place; or the key was used for another request.",
    "503": "The database is away. Retry with the same key: nothing is done twice, or by half.",
}

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Chosen by you, once per command. The same key and body again gives the first answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "example": "7f1f2f6e-9c0e-4a40-8f0d-2d3f9c0d7f11",
}
_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The version that you know; refused with 412 where the history went on.",
    "schema": {"type": "string", "pattern": '^"?[0-9]+"?$'},
    "example": '"7"',
}
ROLE = {
    "name": "Ledger-Role",
    "in": "header",
    "required": False,
    "description": "The role that acts; needed where you hold several.",
    "schema": {
        "type": "string",
        "enum": [
            "consumer", "ip_owner", "manufacturer", "warehouse",
            "customer_service", "auditor", "analyst", "administrator",
        ],
    },
}  # fmt: skip
_FOR = {
    "name": "Ledger-On-Behalf-Of",
    "in": "header",
    "required": False,
    "description": "The consumer for whom customer service acts.",
    "schema": {"type": "string", "format": "uuid"},
}
_ANSWER = {
    "type": "object",
    "required": ["version", "position", "events"],
    "properties": {
        "order_id": {"type": "string", "format": "uuid"},
        "number": {"type": "string"},
        "version": {"type": "integer"},
        "position": {"type": "integer"},
        "status": {"type": "string"},
        "events": {"type": "array", "items": {"type": "object"}},
        "allowed_commands": {"type": "array", "items": {"type": "object"}},
    },
}


def command_operation(model: type[BaseModel], status: str = "200") -> dict[str, Any]:
    """The operation of a command whose body is this model."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {
        "parameters": [_KEY, _MATCH, ROLE, _FOR],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            status: {"description": "Accepted.", "content": {"application/json": {"schema": _ANSWER}}},
            **problems("400", "401", "403", "404", "409", "412", "413", "422", "503"),
        },
        "security": [{"bearer": []}],
    }


def read_operation(
    *parameters: dict[str, Any], answer: dict[str, Any] | None = None, refused: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The operation of a read, with refusals of its own beside those that every read has."""
    told = problems(*sorted({"400", "401", "403", "404", "422", "503", *refused}))
    return {
        "parameters": [*parameters, ROLE, _FOR],
        "responses": {"200": answer, **told} if answer else told,
        "security": [{"bearer": []}],
    }


def json_answer(description: str, example: Any) -> dict[str, Any]:
    """The answer of a read, in JSON."""
    return {"description": description, "content": {"application/json": {"example": example}}}


def query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    """One parameter of a query."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def in_pages(largest: int) -> tuple[dict[str, Any], ...]:
    """The parameters of a list in pages of so many rows at most."""
    return (
        query("limit", "How many on a page.", type="integer", minimum=1, maximum=largest),
        query("cursor", "The cursor of the page before.", type="string"),
    )


ORGANISATION = query("organisation", "For which of your organisations.", type="string", format="uuid")
WAIT_FOR = query("wait_for", "Answer once the read model has this position: read your own writes.", type="integer")


def problems(*statuses: str) -> dict[str, Any]:
    return {
        status: {
            "description": PROBLEMS[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "roles": {"type": "array", "items": {"type": "string"}},
        "violations": {"type": "array", "items": {"type": "object"}},
        "blocked_by": {"type": "array", "items": {"type": "object"}},
        "allowed_commands": {"type": "array", "items": {"type": "object"}},
        "missed": {"type": "array", "items": {"type": "object"}},
    },
}
