"""Training many runs on all cores or on a Dask cluster."""
