"""Statistics of finished runs: tables in, tables out."""
