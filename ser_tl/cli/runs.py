"""Commands about runs, side by side."""

from jsonargparse import Namespace


def compare(options: Namespace) -> int:
    """Prints the table of runs, and writes it and the page where asked."""
    from ser_tl.evaluation import Comparison, read_runs

    comparison = Comparison.of(read_runs(options.runs), title=options.title, mixed=True)
    print(comparison)
    if options.output is not None:
        comparison.save(options.output)
        print(options.output / "comparison.html")
    return 0
