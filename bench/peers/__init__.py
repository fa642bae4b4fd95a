"""Peers: small services that do the same work with other common tools, set up fairly."""
