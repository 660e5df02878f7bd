"""Run an installation: ``python -m sanyuan.sandbox demo|up|down|status|clean``."""

from sanyuan.sandbox.cli import main

main()
