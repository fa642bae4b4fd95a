"""`python -m cli` is the `ordermesh` command."""

from cli.main import main

main()
