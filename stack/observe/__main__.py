"""`python -m stack.observe --password-file FILE --out FILE` renders the observe front of Docker Compose."""

from __future__ import annotations

import argparse
from pathlib import Path

from frontdoor.values import ADMIN_SOCKET, EVERYWHERE, Address

from stack.observe.front import FrontValues, Site, render

PORT = 9411
# The host names are those of the services in docker-compose.yml.
SITES = {
    "prometheus": Site(
        "/prometheus/", Address("prometheus", 9090), "Prometheus: figures and rules", "GET|HEAD|POST", "/"
    ),
    "alertmanager": Site("/alertmanager/", Address("alertmanager", 9093), "Alertmanager", "GET|HEAD|POST|DELETE", "/"),
    "jaeger": Site("/jaeger/", Address("jaeger", 16686), "Jaeger: traces of orders", "GET|HEAD"),
}


def main() -> None:
    """Write the configuration."""
    parser = argparse.ArgumentParser(prog="python -m stack.observe", description=__doc__)
    parser.add_argument("--password-file", type=Path, required=True, help="the password of the user `observe`")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args()
    password = options.password_file.read_text().strip()
    options.out.write_text(render(FrontValues(Address(EVERYWHERE, PORT), password, Path(ADMIN_SOCKET), SITES)))


if __name__ == "__main__":
    main()
