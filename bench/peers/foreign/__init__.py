"""Peers: run in environments of their own, which have what they import."""
