"""Records of finished runs: written whole, locked, read back and compared."""
