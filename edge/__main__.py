"""`python -m edge`: the command `sge-edge` in a checkout that is not installed."""

import sys

from edge.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
