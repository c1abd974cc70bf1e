"""Receipts for payments received and refunded."""

from order_ledger.orders.commands import IssueReceipt
from order_ledger.orders.decisions.documents import document_seller, history_order, seller_incomplete
from order_ledger.orders.decisions.rules import Blockers, Context, Rules, blocker, money_of
from order_ledger.orders.events import OrderEvent, ReceiptIssued
from order_ledger.orders.money import Payment
from order_ledger.orders.order import Order
from order_ledger.values import unsealed

__all__ = ["ISSUE_RECEIPT"]


def _paid(order: Order, command: IssueReceipt) -> Payment | None:
    return next((payment for payment in order.payments if payment.payment == command.payment), None)


def _receipt_asked(order: Order, command: IssueReceipt, context: Context) -> Blockers:
    yield from seller_incomplete(context.seller)
    paid = _paid(order, command)
    if paid is None:
        yield blocker("unknown_payment", f"The order has no payment {command.payment}.")
    elif paid.kind not in ("captured", "refunded"):
        yield blocker("nothing_received", f"A payment {paid.kind} is neither received nor refunded.")


def _receipt(order: Order, command: IssueReceipt, context: Context) -> tuple[OrderEvent, ...]:
    paid = _paid(order, command)
    assert paid is not None, "a receipt for an unknown payment is refused"
    return (
        ReceiptIssued(
            number=command.number,
            series=command.series,
            sequence=command.sequence,
            issued_on=command.issued_on,
            seller=document_seller(context.seller),
            payer=unsealed(command.payer, order.consumer, "document"),
            payment=command.payment,
            kind="received" if paid.kind == "captured" else "refunded",
            amount=money_of(order, paid.amount),
            method=paid.method,
            provider=paid.provider,
            reference=paid.reference,
            account_hint=paid.account_hint,
            order_number=order.number,
            invoices=tuple(order.invoices),
        ),
    )


ISSUE_RECEIPT = Rules[IssueReceipt](
    events=_receipt,
    standing=history_order,
    asked=_receipt_asked,
    repeated=lambda order, command: command.payment in order.receipts,
)
