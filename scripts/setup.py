"""Set-up for any Python: says so when this one is too old, else makes .venv (environment.py).

Kept to a syntax that Python 2.7 can read, so that the wrong interpreter gets a sentence, not a
traceback. Without Windows: the broker's and the supervisor's processes are POSIX ones.
"""

import os
import sys

if sys.version_info < (3, 11) or os.name != "posix":
    sys.stderr.write(
        "Set-up stopped: Python %s on %s cannot run Sanyuan\n"  # noqa: UP031  for Python 2.7
        "   why: %s was used; it takes Python 3.11 or newer on Linux or macOS\n"
        "   do:  install one and say which: make PYTHON=python3.12 demo\n"
        % (sys.version.split()[0], sys.platform, sys.executable)
    )
    sys.exit(1)

sys.dont_write_bytecode = True  # the clone stays as it was fetched
import environment  # noqa: E402  only after the check

sys.exit(environment.main(sys.argv[1:]))
