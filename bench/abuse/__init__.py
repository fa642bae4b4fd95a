"""Attacks on the platform, each beside a victim: what the victim notices, what is held and what stays."""
