"""`python -m tandem.cli`: what `./tandem` runs."""

from tandem.cli.main import main

main()
