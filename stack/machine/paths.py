"""The default folders of the user: the state folder and the cache."""

from __future__ import annotations

import os
from pathlib import Path

from stack.errors import SettingInvalid

HOME_SETTING = "ORDERMESH_HOME"


def default_home() -> Path:
    """Return the state folder of this user, ORDERMESH_HOME when it is set."""
    chosen = os.environ.get(HOME_SETTING)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/ordermesh")
    return Path(os.environ.get("XDG_STATE_HOME") or user_home() / ".local/state") / "ordermesh"


def default_cache() -> Path:
    """Return the cache folder for downloads and copies; root's is readable for other users."""
    if os.geteuid() == 0:
        return Path("/var/cache/ordermesh")
    return Path(os.environ.get("XDG_CACHE_HOME") or user_home() / ".cache") / "ordermesh"


def user_home() -> Path:
    """Return the user's home folder. Raises SettingInvalid."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise SettingInvalid(f"uid {os.geteuid()} has no home folder: set HOME, or {HOME_SETTING}") from error
