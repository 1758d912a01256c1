"""Run the command line as `python -m threadrun.cli`."""

from threadrun.cli import main

main()
