"""The page: one file a panel, composed by `page`."""
