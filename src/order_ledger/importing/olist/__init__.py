"""The public files of the Brazilian marketplace Olist: which order had which life.

ids.py      our ids, derived from Olist's own
files.py    what the files say of each order: read, checked and joined
lives.py    which life that is
"""

from order_ledger.importing.olist.files import CUSTOMERS, ITEMS, ORDERS, PAYMENTS, PRODUCTS, Files, open_files
from order_ledger.importing.olist.ids import olist_id
from order_ledger.importing.olist.lives import STATUS_CONTRADICTED, Drafts, drafts

__all__ = [
    "CUSTOMERS",
    "ITEMS",
    "ORDERS",
    "PAYMENTS",
    "PRODUCTS",
    "STATUS_CONTRADICTED",
    "Drafts",
    "Files",
    "drafts",
    "olist_id",
    "open_files",
]
