"""Few spans of a query, compared again in detail: its pictures and its sound with the reference's own."""
