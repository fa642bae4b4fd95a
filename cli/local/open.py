"""`ordermesh open`: opens a page of the local stack in a browser."""

from __future__ import annotations

import webbrowser
from enum import StrEnum
from typing import Annotated

import typer

from cli.local.session_link import dashboard_link
from cli.output.terminal import console
from cli.target import require_status
from stack.machine.files import write_private
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder


class Page(StrEnum):
    """The pages of the front proxy."""

    DASHBOARD = "dashboard"
    DOCS = "docs"


PATHS = {Page.DASHBOARD: "/", Page.DOCS: "/docs"}


def open_page(
    page: Annotated[Page, typer.Argument(help="The page to open.")] = Page.DASHBOARD,
) -> None:
    """Open the dashboard or the API documentation in a browser."""
    status = require_status()
    address = dashboard_link(status) if page is Page.DASHBOARD else status.addresses["rest"] + PATHS[page]
    console.print(address, soft_wrap=True)
    if not webbrowser.open(not_on_the_command_line(address)):
        console.print("no browser found: open the address manually")


def not_on_the_command_line(address: str) -> str:
    """Return an address that leads to the given one; other accounts see the command line of a browser."""
    if "#" not in address:
        return address
    page = StateFolder(default_home()).home / "open-dashboard.html"
    write_private(page, f'<!doctype html><meta http-equiv="refresh" content="0;url={address}">\n')
    return page.as_uri()
