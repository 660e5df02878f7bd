"""What may be shown of people who do not even exist: enough to tell two apart, no more."""


def mask_name(name: str) -> str:
    """The first character; the stars do not tell how many follow."""
    return name[:1] + "**"


def mask_number(number: str) -> str:
    """The first two and the last two characters."""
    return number[:2] + "*" * (len(number) - 4) + number[-2:]


def mask_organisation(name: str) -> str:
    """The first two characters, mostly where it is."""
    return name[:2] + "****"
