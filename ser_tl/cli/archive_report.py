"""`ser-tl archive-report`: what is in an archive, as a page, a picture and clips to listen to."""

from pathlib import Path
from typing import Any

from ser_tl.arguments import Parser
from ser_tl.cli.annotate import require_pyarrow
from ser_tl.cli.output import make_folder


def archive_report_parser() -> Parser:
    """The options of `ser-tl archive-report`."""
    parser = Parser(description="Summarises an archive's predictions: distributions, drift, clips to listen to.")
    parser.add_argument("folder", type=Path, help="folder of the archive; it may be unfinished")
    parser.add_argument(
        "--output", type=Path | None, default=None, help="folder for the report; by default FOLDER/report"
    )
    parser.add_argument(
        "--reference",
        type=Path | None,
        default=None,
        help="predictions to measure drift against: a run's predictions.csv, or an archive of the training corpus; by "
        "default those of the model's own run, if they are beside it",
    )
    parser.add_argument("--clips", type=int, default=100, help="number of least certain clips to listen to")
    return parser


def archive_report(options: Any) -> int:  # noqa: ANN401 - jsonargparse's
    """Writes the pages and names them."""
    require_pyarrow()
    from ser_tl.archive import open_archive
    from ser_tl.archive.drift import find_reference
    from ser_tl.archive.listening import write_clips
    from ser_tl.archive.report import summarise
    from ser_tl.archive.report_page import format_listening, format_report
    from ser_tl.archive.report_picture import archive_picture
    from ser_tl.files import write_text

    archive = open_archive(options.folder)
    reference = options.reference or find_reference(archive.model.name)
    report = summarise(archive, clips=max(0, options.clips), reference=reference)
    folder = make_folder(options.output or options.folder / "report")
    report.write(folder / "report.json")
    archive_picture(report, folder / "archive.png")
    if report.uncertain:
        files = write_clips(archive, report.uncertain, folder)
        write_text(folder / "listening.html", format_listening(report, files))
    write_text(folder / "index.html", format_report(report))
    if report.drift is not None:
        print(f"confidence: {report.drift.verdict} ({report.drift.reference})")
    else:
        print("confidence: no reference to compare with; --reference names one")
    print(folder / "index.html")
    return 0
