"""HTTP to values and back; knows no arrays and no network."""
