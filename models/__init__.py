"""Making: data and a base network in, a bundle that the server can trust out."""
