"""How often a queue's message is tried before it goes to the dead letters, whatever the broker."""

MOST_DELIVERIES = 3
"""Of one message: a worker that took it was killed each time."""

MOST_RETRIES = 3
"""After failures that aren't the recording's, with pauses of 1, 2 and 4 seconds."""


def retry_pause(retries: int) -> int:
    """Seconds to wait before a message is tried again.

    Args:
        retries: that it has had
    """
    return 2**retries


def describe_deaths() -> str:
    """The reason of a message at which workers keep dying."""
    return f"{MOST_DELIVERIES} workers died at it"


def describe_failure(error: Exception) -> str:
    """The reason of a message that failed each time it was tried."""
    return f"failed {1 + MOST_RETRIES} times: {error}"
