"""How kernels were started, as a record and a log say."""

from integration.suite import Done


def starts(done: Done) -> list[str]:
    return [found["kernel_start"] for found in done.record["notebooks"]]


def notices(done: Done) -> list[str]:
    return [notice.message for notice in done.annotations("notice")]
