"""Archives: millions of recordings annotated on one machine or many, each exactly once, whatever is killed meanwhile.

    source --listing--> inputs/, archive.json --workers, each shard leased--> shards/*.parquet --> manifest.json

A shard, about a thousand clips in a fixed order, is the unit of work. Its file depends on the inputs and the model
alone, not on who computes it, when, or how often it was tried; it is published in one step and never touched again. So
rows are exactly once by construction, and leases merely save work that would be done twice. Engines (`pool`,
`ray_engine`, an array job) only say who computes which shard.

Needs numpy, pyarrow, and what the model needs; remote storage needs fsspec. Independent of training.
"""

from ser_tl.archive.annotation import annotate as annotate
from ser_tl.archive.description import Archive as Archive
from ser_tl.archive.description import open_archive as open_archive
from ser_tl.archive.status import Status as Status
from ser_tl.archive.status import read_status as read_status
from ser_tl.archive.verification import verify as verify
