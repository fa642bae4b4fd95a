"""The programs of the peers, which run in their own virtual environment."""
