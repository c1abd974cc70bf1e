"""`settings`: what may be set, what it is, and where that comes from."""

from typing import Any

from pydantic import SecretStr

from order_ledger.cli.answers import AsJson, answer_json, answer_rows
from order_ledger.settings import Settings


def list_settings(as_json: AsJson = False) -> None:
    """List every setting, its value, and where the value comes from. Secrets are not shown."""
    settings = Settings()
    prefix = str(Settings.model_config.get("env_prefix"))
    found = []
    for name, field in Settings.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        found.append(
            {
                "name": variable,
                "value": _shown(getattr(settings, name)),
                "from": "environment" if name in settings.model_fields_set else "default",
                "means": field.description,
            }
        )
    if as_json:
        answer_json({"settings": found})
    else:
        answer_rows(("name", "value", "from", "means"), [tuple(each.values()) for each in found])


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "(set, not shown)"
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    return value if value is None or isinstance(value, bool | int) else str(value)
