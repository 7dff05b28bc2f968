"""Sources of truth: a source of lower rank never overrides a higher one in silence. Pure."""


def outranks(ranks: tuple[str, ...], one: str, other: str) -> bool:
    """Whether `one` is believed before `other`; sources that nobody ranks come last and are equals."""
    return _rank(ranks, one) < _rank(ranks, other)


def _rank(ranks: tuple[str, ...], source: str) -> int:
    return ranks.index(source) if source in ranks else len(ranks)
