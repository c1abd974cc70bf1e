"""Other people's orders, taken in as the history they are.

tables.py    files of comma-separated values: their headers, their rows, what is wrong with them
olist/       the public Olist files: which order had which life
history.py   a life, decided step by step: what happened, and which of our rules it broke
bulk.py      many orders in one transaction, each whole or not at all
running.py   an import from start to end, on several processes
jsonl.py     histories in our own words, decided anew
entries.py   exported entries, as they are
"""
