"""An order and the stock of its items as the domain's tables have them, in plain numbers.

A random program of commands is checked against this. Nothing here comes from the code that it checks: quantities and
states are those of the table of states, the rights those of the table of rights. `guards` says beforehand whether a
command makes anything happen, where the tables say so; `changes` checks of each event that it was allowed to happen.
All prices are whole, with tax included, so that n units are worth n times one.
"""
