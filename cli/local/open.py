"""`ordermesh open`: opens a page of the local stack in a browser."""

from __future__ import annotations

import webbrowser
from enum import StrEnum
from typing import Annotated

import typer

from cli.local.observe_link import observe_link
from cli.local.session_link import dashboard_link
from cli.output.terminal import console
from cli.target import require_status
from stack.machine.files import write_private
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.supervision.status import StackStatus


class Page(StrEnum):
    """The pages of the front proxy."""

    DASHBOARD = "dashboard"
    DOCS = "docs"
    OBSERVE = "observe"


def open_page(
    page: Annotated[Page, typer.Argument(help="The page to open.")] = Page.DASHBOARD,
) -> None:
    """Open the dashboard, the API documentation, or what `up --observe` started, in a browser."""
    address = address_of(page, require_status())
    console.print(address, soft_wrap=True)
    if not webbrowser.open(not_on_the_command_line(address)):
        console.print("no browser found: open the address manually")


def address_of(page: Page, status: StackStatus) -> str:
    """Return the address of a page, with what opens it. Raises ServerFailed."""
    match page:
        case Page.DASHBOARD:
            return dashboard_link(status)
        case Page.DOCS:
            return f"{status.addresses['rest']}/docs"
        case Page.OBSERVE:
            return observe_link(status)


def not_on_the_command_line(address: str) -> str:
    """Return an address that leads to the given one; other accounts see the command line of a browser."""
    if "#" not in address and "@" not in address:
        return address
    page = StateFolder(default_home()).home / "open-dashboard.html"
    write_private(page, f'<!doctype html><meta http-equiv="refresh" content="0;url={address}">\n')
    return page.as_uri()
