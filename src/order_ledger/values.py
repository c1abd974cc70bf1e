"""The values that events, commands and read models speak in.

They are `msgspec` structs, because events are; each also tells `pydantic` its schema, because
commands are pydantic models and carry the same values. Nothing here reads a clock, or any file but the time
zones'.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar, get_type_hints
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

__all__ = [
    "CURRENCY_EXPONENTS",
    "Address",
    "Amount",
    "Amounts",
    "Code",
    "Contact",
    "Country",
    "Currency",
    "Evidence",
    "HttpsUrl",
    "Instant",
    "Language",
    "Money",
    "Organisation",
    "PlanItem",
    "Price",
    "Purpose",
    "Quantity",
    "Rate",
    "Reading",
    "Sealed",
    "Step",
    "Terms",
    "Text",
    "Units",
    "Unsealed",
    "Value",
    "Zone",
    "money",
    "round_money",
    "unsealed",
]

# ISO 4217: the currencies whose minor unit is not two digits.
CURRENCY_EXPONENTS: dict[str, int] = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"), 0),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}

# ISO 3166-1 alpha-2.
COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()
)


def _no_float(value: object) -> object:
    if isinstance(value, float):
        raise PydanticCustomError("no_float", 'Write the number as a string, such as "12.50".')
    return value


def _plain_text(value: str) -> str:
    if _CONTROL_CHARACTER.search(value):
        raise PydanticCustomError("control_character", "The text holds a control character.")
    return value


# All of Unicode's categories Cc and Cs but new line and tab.
_CONTROL_CHARACTER = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def _https(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_valid = urlsplit(""), False
    if parts.scheme != "https" or not parts.hostname or not port_is_valid or parts.username is not None:
        raise PydanticCustomError("https_url", "The link must be an absolute https address without a password.")
    return value


def _country(value: str) -> str:
    if value not in COUNTRIES:
        raise PydanticCustomError("country", "The country must be an ISO 3166-1 code of two capital letters.")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, OSError, ValueError):
        raise PydanticCustomError("time_zone_name", "The zone must be an IANA name such as Europe/Berlin.") from None
    return value


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("time_zone", "The time needs its offset, such as 2026-11-21T20:15:03Z.")
    return value.astimezone(UTC)


Text = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_plain_text)]
"""What a person or a system wrote: 1 to 2,000 characters without control characters."""

Country = Annotated[str, Field(min_length=2, max_length=2), AfterValidator(_country)]
"""ISO 3166-1 alpha-2."""

Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_zone)]
"""A time zone of the IANA database, such as Europe/Berlin."""

Language = Annotated[str, Field(pattern="^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")]
"""BCP 47: a language, and a script and a region where they matter."""

Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
"""ISO 4217."""

HttpsUrl = Annotated[str, Field(max_length=2000), AfterValidator(_plain_text), AfterValidator(_https)]
"""An absolute https address."""

Instant = Annotated[datetime, AfterValidator(_utc)]
"""A moment, UTC with microseconds."""

Quantity = Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]
"""A whole number of units, at least 1."""

Amount = Annotated[
    Decimal, BeforeValidator(_no_float), Field(ge=0, max_digits=15, decimal_places=4, allow_inf_nan=False)
]
"""A decimal amount, never negative; as a string in JSON."""

Price = Amount
"""A price per unit of at most 4 decimals in the order's currency."""

Rate = Annotated[Decimal, BeforeValidator(_no_float), Field(ge=0, le=100, decimal_places=2, allow_inf_nan=False)]
"""Per cent with 2 decimals."""

Reading = Annotated[Decimal, BeforeValidator(_no_float), Field(max_digits=15, decimal_places=6, allow_inf_nan=False)]
"""A measured value or a limit of one; as a string in JSON."""

Code = Annotated[str, Field(min_length=1, max_length=64, pattern="^[a-z0-9][a-z0-9_-]*$")]
"""A short stable name, in lower case."""

Purpose = Literal["order", "document"]
"""What a sealed value is kept for; `document` is what tax law keeps."""


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen value, equal by its fields, that pydantic models can carry too."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        hints = get_type_hints(cls, include_extras=True)
        fields = {
            field.name: core_schema.typed_dict_field(
                handler.generate_schema(hints[field.name]),
                required=field.required,
                validation_alias=field.encode_name,
            )
            for field in msgspec.structs.fields(cls)
        }
        from_fields = core_schema.no_info_after_validator_function(
            _maker(cls), core_schema.typed_dict_schema(fields, extra_behavior="forbid")
        )
        return core_schema.json_or_python_schema(
            from_fields,
            core_schema.no_info_wrap_validator_function(
                lambda given, validate: given if isinstance(given, cls) else validate(given), from_fields
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(msgspec.to_builtins),
        )

    @classmethod
    def checked(cls, **fields: Any) -> "Value":
        """The value, once its own rules hold; raises `PydanticCustomError` where they do not."""
        return cls(**fields)


def _maker(cls: type[Value]) -> Callable[[dict[str, Any]], Value]:
    """From the validated fields to the value, by the shortest way that the class allows."""
    make: Callable[..., Value] = cls if cls.checked.__func__ is Value.checked.__func__ else cls.checked  # type: ignore[attr-defined]
    return lambda given: make(**given)


class Money(Value, frozen=True):
    """An amount with exactly the decimals of ISO 4217; never negative: an event's name gives the direction."""

    amount: Amount
    currency: Currency

    @classmethod
    def checked(cls, **fields: Any) -> "Money":
        given = cls(**fields)
        exponent = CURRENCY_EXPONENTS.get(given.currency, 2)
        if -given.amount.as_tuple().exponent != exponent:  # type: ignore[operator]
            raise PydanticCustomError(
                "money_exponent",
                "{currency} amounts are written with exactly {exponent} decimals.",
                {"currency": given.currency, "exponent": exponent},
            )
        return given


def iso_time(at: datetime, precise_to: str = "auto") -> str:
    """A time as people and other programs read it: ISO 8601, in UTC with a Z."""
    return at.isoformat(timespec=precise_to).replace("+00:00", "Z")


def round_money(amount: Decimal, currency: str) -> Decimal:
    """The amount with exactly the currency's decimals, rounded half up."""
    return amount.quantize(_QUANTUM.get(currency, _CENT), rounding=ROUND_HALF_UP)


def money(amount: Decimal | str | int, currency: str) -> Money:
    """Money of this amount, rounded half up to the currency's decimals."""
    return Money(round_money(Decimal(amount), currency), currency)


_CENT = Decimal("0.01")
_QUANTUM = {currency: Decimal(1).scaleb(-exponent) for currency, exponent in CURRENCY_EXPONENTS.items()}


class Units(Value, frozen=True):
    """So many units of one line of an order."""

    line: Annotated[int, Field(ge=1, strict=True)]
    quantity: Quantity


class Amounts(Value, frozen=True):
    """What so many units of a line are worth: gross = net + tax."""

    line: Annotated[int, Field(ge=1, strict=True)]
    quantity: Quantity
    net: Money
    tax: Money
    gross: Money


class Organisation(Value, frozen=True):
    """A seller, manufacturer or warehouse, named as it was called then."""

    id: UUID
    name: str


class Contact(Value, frozen=True):
    """How to reach a person. In imports any field may be missing."""

    name: Text | None = None
    company: Text | None = None
    email: Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    phone: Annotated[str, Field(max_length=40, pattern=r"^[+0-9 ()./-]+$")] | None = None
    vat_id: Annotated[str, Field(max_length=40, pattern=r"^[A-Za-z0-9 .-]+$")] | None = None


class Address(Value, frozen=True):
    """Where a person or a parcel is found. In imports any field may be missing."""

    name: Text | None = None
    company: Text | None = None
    line1: Text | None = None
    line2: Text | None = None
    postcode: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    city: Text | None = None
    region: Annotated[str, Field(pattern="^[A-Z]{2}-[A-Z0-9]{1,3}$")] | None = None
    country: Country | None = None


class Evidence(Value, frozen=True):
    """A file that shows something; its bytes lie elsewhere, found by their SHA-256 (hex)."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    media_type: Annotated[str, Field(max_length=200)]
    size: Annotated[int, Field(ge=0, strict=True)]
    title: Text


class Step(Value, frozen=True):
    """One step of making an item, in its place in the order of steps."""

    step: Code
    name: Text


class PlanItem(Value, frozen=True):
    """One item of an inspection and test plan: what is checked, after which step, and within which limits."""

    item: Code
    name: Text
    after_step: Code
    required: bool = True
    method: Text | None = None
    unit: Annotated[str, Field(max_length=20)] | None = None
    low: Reading | None = None
    high: Reading | None = None
    evidence: bool = False
    shown: bool = False


class Terms(Value, frozen=True):
    """How an order is paid, when it is invoiced, and after how many days a delivered order completes by itself."""

    pay: Literal["prepaid", "on_invoice"]
    due_days: Annotated[int, Field(ge=0, le=365, strict=True)]
    method: Code
    invoice_at: Literal["dispatch", "confirmation"]
    complete_after_days: Annotated[int, Field(ge=0, le=365, strict=True)]


T = TypeVar("T")


class Sealed(msgspec.Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    """A value encrypted under one person's key; reads as erased when that key is gone.

    `sealed` is the key's id; `box` is base64url of nonce, ciphertext and tag (AES-256-GCM).
    """

    sealed: str
    box: str


class Unsealed(Sealed[T], frozen=True):
    """A value on its way into an entry. The journal seals it; it is never stored like this."""

    value: T
    person: UUID
    purpose: Purpose


def unsealed(value: T, person: UUID, purpose: Purpose = "order") -> Unsealed[T]:
    """This value, to be sealed under this person's key for this purpose when it is appended."""
    return Unsealed("", "", value, person, purpose)
