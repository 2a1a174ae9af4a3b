"""Reports and comparisons for readers: text, Markdown, pages and pictures.

    Report --write_report--> report.md, pictures, predictions.csv, report.json
    Comparison --write_comparison--> comparison.md, .csv, .png and comparison.html

It computes no figure: those are `ser_tl.evaluation`'s and `ser_tl.comparison`'s.
"""

from ser_tl.reporting import plots as plots
from ser_tl.reporting.comparison_text import describe_comparison as describe_comparison
from ser_tl.reporting.text import terminal as terminal
from ser_tl.reporting.writing import draw_report as draw_report
from ser_tl.reporting.writing import write_comparison as write_comparison
from ser_tl.reporting.writing import write_report as write_report
