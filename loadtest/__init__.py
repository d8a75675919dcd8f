"""Asking from outside: drives running servers and measures them; imports neither server nor models."""
