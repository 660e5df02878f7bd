"""`python -m sanyuan.common.docs FOLDER` writes the documents; what is gone is removed."""

import sys
from pathlib import Path

from sanyuan.common.docs.files import write


def main() -> None:
    """Write below the folder that the command line names."""
    write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
