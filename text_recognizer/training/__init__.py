"""Training: what it costs, and the loops that two pages share."""
