"""The HTML pages of the studies: the report's front page, a page for each study, all claims."""
