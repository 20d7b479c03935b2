"""`python -m knopka` is the command `knopka`."""

from knopka.cli import main

main()
