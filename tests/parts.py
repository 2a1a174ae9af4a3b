"""Parts of a set of tests, as `pytest --part 2/5` runs them: the second of five.

A test's part follows from its node id alone, so that xdist's processes agree on it and a new test moves no other.
"""

import argparse
from zlib import crc32


def parse_part(text: str) -> tuple[int, int]:
    """The number of a part, from 1, and of how many: (2, 5) for "2/5"."""
    number, slash, count = text.partition("/")
    digits = number.isascii() and number.isdigit() and count.isascii() and count.isdigit()
    if not (slash and digits and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part: give a number from 1 and of how many, such as 2/5")
    return int(number), int(count)


def is_in_part(node_id: str, part: tuple[int, int]) -> bool:
    """Whether the test is in that part; it is in one of each division."""
    number, count = part
    return crc32(node_id.encode()) % count == number - 1
