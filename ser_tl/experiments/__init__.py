"""Whole experiments, as the recipes run them: all splits of a protocol, many systems, a teacher and its student.

options, fit --run_protocol--> a report over all splits
options, train --compare_systems--> a ranking table
options, train --distill_model--> the student's report, and those of its teacher and its control
"""
