"""`python -m ser_tl.cli`, which torchrun can start in several processes."""

import sys

from ser_tl.cli import main

if __name__ == "__main__":
    sys.exit(main())
