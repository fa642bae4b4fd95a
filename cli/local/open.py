"""`ordermesh open`: opens a page of the local stack in a browser."""

from __future__ import annotations

import webbrowser
from enum import StrEnum
from typing import Annotated

import typer

from cli.output.terminal import console
from cli.target import require_status


class Page(StrEnum):
    """The pages of the front proxy."""

    DASHBOARD = "dashboard"
    DOCS = "docs"


PATHS = {Page.DASHBOARD: "/", Page.DOCS: "/docs"}


def open_page(
    page: Annotated[Page, typer.Argument(help="The page to open.")] = Page.DASHBOARD,
) -> None:
    """Open the dashboard or the API documentation in a browser."""
    address = require_status().addresses["rest"] + PATHS[page]
    console.print(address, soft_wrap=True)
    if not webbrowser.open(address):
        console.print("no browser found: open the address manually")
