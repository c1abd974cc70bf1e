"""Who may do what: the tables that say so, and the checks that read them."""
