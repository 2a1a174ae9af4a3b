"""Messages of killed workers, given back soon: a part of Celery's worker.

Celery over Redis looks every 100 s for messages that killed workers had, and this every ten. (Its newer releases have
a setting for that, but those admit one version alone of other packages; this works with both.) A message that was lost
while it was taken is sent again.
"""

from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

from ser_tl.serving.waiting import find_lost

TASK = "ser_tl.predict"
MOST_SECONDS = 10


def seconds_between(visibility_seconds: int) -> int:
    """How often to look, for messages that come back after `visibility_seconds`."""
    return min(MOST_SECONDS, visibility_seconds)


class RestoreLostMessages(bootsteps.StartStopStep):
    """`queue.steps["consumer"].add(RestoreLostMessages)`; `start` and `stop` are called with each connection."""

    requires = (Tasks,)
    timers: tuple[Any, ...] = ()

    def start(self, parent: Any) -> None:  # noqa: ANN401 - Celery's consumer
        """Begins to look. Brokers that give messages back by themselves are left alone."""
        channel, queue = parent.task_consumer.channel, parent.app
        if not hasattr(channel, "unacked_restore_limit"):
            return
        visibility_seconds = queue.conf.broker_transport_options["visibility_timeout"]

        def restore() -> None:
            channel.qos.restore_visible(num=channel.unacked_restore_limit, interval=1)

        def resend() -> None:
            for identity in find_lost(channel, queue.conf.task_default_queue, visibility_seconds):
                queue.send_task(TASK, task_id=identity)

        self.timers = (
            parent.timer.call_repeatedly(seconds_between(visibility_seconds), restore),
            parent.timer.call_repeatedly(visibility_seconds, resend),
        )

    def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002 - Celery's consumer
        """Ends it."""
        for timer in self.timers:
            timer.cancel()
        self.timers = ()
