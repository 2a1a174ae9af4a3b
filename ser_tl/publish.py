"""What a training pushes to a hub: each best epoch while it runs, and in the end the model with its card.

    Trainer(parts=[Publisher]) -> Publisher.on_best(model, record), in the background -> Publisher.push(model folder)

Nothing that goes wrong with a hub stops a training: it is reported when it happens, noted in push.json, and reported
again at the end with the command that sends what is missing.
"""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ser_tl.card import write_card
from ser_tl.files import write_text
from ser_tl.hub import MAIN, Address, BackgroundPushes, branch_name, push_folder
from ser_tl.model import EmotionModel
from ser_tl.model.serialization import write_remote
from ser_tl.training.part import Part
from ser_tl.training.progress import format_dev_scores

SCRATCH = "to_push"
PUSH_FILE = "push.json"
"""What became of a training's pushes: repo, branch, commit, url, pushed (the folder), failed."""


class Publisher(Part):
    """Pushes one training's models to one branch.

    Args:
        repo: the repository's address; @branch may follow
        folder: of the training; copies lie there until they are pushed
        fold: of several; gets a branch of its own
    """

    order = 90

    def __init__(self, repo: str, folder: Path, *, fold: str = "") -> None:
        address = Address.read(repo)
        self.repo = address.text
        self.branch = "-".join(filter(None, (address.revision, branch_name(fold)))) or MAIN
        self.folder = folder
        self.pushes: BackgroundPushes | None = None

    @property
    def address(self) -> str:
        """Where `EmotionModel.from_pretrained` finds the model."""
        return self.repo if self.branch == MAIN else f"{self.repo}@{self.branch}"

    def on_best(self, model: EmotionModel, record: dict[str, Any]) -> None:
        """Queues the best epoch so far.

        Args:
            model: as it is now
            record: of the epoch
        """
        if self.pushes is None:
            self.pushes = BackgroundPushes(self.repo, revision=self.branch, scratch=self.folder / SCRATCH)
        for failure in self.pushes.new_failures():
            tqdm.write(f"not pushed, and the training goes on: {failure}")
        message = f"Best epoch so far: {record['epoch']}, dev {format_dev_scores(record)}"
        note = f"{message}. The training goes on; the scores of its test speakers come with its end."

        def save(copy: Path) -> None:
            model.write_files(copy)
            write_remote(copy)
            write_card(copy, repo=self.address, note=note)

        self.pushes.start(save, message)

    def push(self, model_folder: Path, message: str) -> None:
        """Waits for what is under way, pushes the finished model and writes push.json.

        Args:
            model_folder: with the model and its card
            message: of the commit
        """
        failed = [] if self.pushes is None else self.pushes.finish()
        self.pushes = None
        shutil.rmtree(self.folder / SCRATCH, ignore_errors=True)  # of a training that was killed and resumed
        outcome: dict[str, Any] = {"repo": self.repo, "branch": self.branch, "commit": None, "url": None}
        try:
            done = push_folder(model_folder, self.repo, revision=self.branch, commit_message=message)
            outcome |= {"commit": done.commit, "url": done.url}
        except Exception as error:  # whatever it is, a training that has ended must not be lost to it
            failed = [*failed, f"{message}: {error}"]
        text = json.dumps(outcome | {"pushed": str(model_folder), "failed": failed}, indent=1, ensure_ascii=False)
        write_text(self.folder / PUSH_FILE, f"{text}\n")


def push_summary(folder: Path) -> str:
    """A summary of the pushes from a folder; empty where there were none.

    Args:
        folder: of a training, or of a run with several
    """
    if not (folder / PUSH_FILE).is_file():
        return ""
    outcome = json.loads((folder / PUSH_FILE).read_text(encoding="utf-8"))
    if outcome["commit"] is not None:
        missing = "".join(f"\nan earlier best epoch wasn't pushed: {failure}" for failure in outcome["failed"])
        return f"pushed to {outcome['url']} as {outcome['commit'][:7]}{missing}"
    command = ["ser-tl", "push", outcome["pushed"], outcome["repo"]]
    command += [] if outcome["branch"] == MAIN else ["--revision", outcome["branch"]]
    return (
        f"NOT PUSHED. All is safe in {outcome['pushed']}. When the cause is gone, this sends what is missing:\n"
        f"    {shlex.join(command)}\n" + "\n".join(outcome["failed"])
    )
