"""Records of finished runs: atomic writes, locks, reading and comparison."""
