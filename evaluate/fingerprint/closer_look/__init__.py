"""Few spans of a query, compared again in detail: its frames and its audio with the reference's own."""
