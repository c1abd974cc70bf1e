"""`python -m order_ledger` is the command line."""

from order_ledger.cli import main

if __name__ == "__main__":
    main()
