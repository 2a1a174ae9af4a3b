"""`python -m ser_tl`, the same as `ser-tl`."""

import sys

from ser_tl.cli import main

if __name__ == "__main__":
    sys.exit(main())
