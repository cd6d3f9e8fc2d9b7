"""What a notebook and a log tell about how a kernel was started."""

from integration.suite import Done


def starts(done: Done) -> list[str]:
    return [found["kernel_start"] for found in done.record["notebooks"]]


def notices(done: Done) -> list[str]:
    return [notice.message for notice in done.annotations("notice")]
