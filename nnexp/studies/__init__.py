"""Studies: claims read from files, judged, drawn and reported."""
