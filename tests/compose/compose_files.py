"""The compose file, and the secrets that its container `secrets` makes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def with_defaults(text: str) -> str:
    """Return a value of the compose file as it is where no variable of `${NAME:-default}` is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).strip()


def make_secrets(folder: Path) -> Path:
    """Make the secrets in another folder than the container's, and return it."""
    for volume in SERVICES["secrets"]["volumes"][1:]:
        (folder / Path(volume.split(":")[1]).name).mkdir(exist_ok=True)
    script = (ROOT / "deploy/compose/secrets.sh").read_text().replace("/secrets/", f"{folder}/")
    subprocess.run(["sh"], input=script, text=True, check=True)
    return folder
