"""Puts the known bug that SEEDED_BUG names into a program, when the interpreter starts with this folder on its path."""

import importlib
import os

NAME = os.environ.get("SEEDED_BUG")
if NAME:
    module, _, bug = NAME.partition(".")
    getattr(importlib.import_module(f"seeded_{module}"), bug)()
