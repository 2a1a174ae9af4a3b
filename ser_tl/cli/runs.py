"""Commands about runs, side by side."""

from jsonargparse import Namespace

from ser_tl.cli.output import make_folder


def compare(options: Namespace) -> int:
    """Prints the table of runs, and writes it and the page where asked."""
    from ser_tl.evaluation import Comparison, plots, read_runs

    plots.choose_formats(options.pictures)
    output = None if options.output is None else make_folder(options.output)
    comparison = Comparison.of(read_runs(options.runs), title=options.title, mixed=True)
    print(comparison)
    if output is not None:
        comparison.save(output)
        print(output / "comparison.html")
    return 0
