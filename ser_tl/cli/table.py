"""A table on the terminal."""


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Prints rows in columns, under a header."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
