"""Pages: the page of a sweep, and what all pages share."""
