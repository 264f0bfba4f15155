"""The messages of pages, findings and figures, and the language they are in."""
