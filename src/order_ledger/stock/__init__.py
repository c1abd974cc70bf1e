"""What lies on the shelf and for whom: one stream per seller and SKU, apart from the item's own."""
