"""Folders of files kept as versions: on a model hub, or in a folder that is one.

    folder --push_folder()--> "name/repo" or "file:///teamhub/name/repo" --pull_folder(revision)--> folder

A push adds to what a branch holds and replaces files of the same name, as one commit; what the hub has already isn't
sent again, so a push that failed is finished by calling it once more. A pull names a branch, a tag or a commit. Knows
files and where they go, and nothing of models.
"""

from ser_tl.hub.address import HUB_ID as HUB_ID
from ser_tl.hub.address import Address as Address
from ser_tl.hub.address import branch_name as branch_name
from ser_tl.hub.background import BackgroundPushes as BackgroundPushes
from ser_tl.hub.base import MAIN as MAIN
from ser_tl.hub.base import PushResult as PushResult
from ser_tl.hub.base import Repository as Repository
from ser_tl.hub.directory import is_repository as is_repository
from ser_tl.hub.transfers import pull_folder as pull_folder
from ser_tl.hub.transfers import push_folder as push_folder
