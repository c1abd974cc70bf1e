"""Items as their sellers list them: one stream per seller and SKU."""
