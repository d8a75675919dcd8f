"""Whether a bundle's figures are true, and whether a server gives the same answers."""
