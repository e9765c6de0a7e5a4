"""Tables between markers of a page, so that figures are made and never typed."""

from __future__ import annotations

from pathlib import Path


def markers(part: str) -> tuple[str, str]:
    """The lines around a part's tables."""
    return (
        f"<!-- bench.detection {part}: made by `make bench-detection`, do not edit -->",
        f"<!-- /bench.detection {part} -->",
    )


def replace(page: Path, part: str, text: str) -> None:
    """Put text between the part's markers. Raises ValueError where the page lacks them, and then leaves it as it is."""
    begin, end = markers(part)
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(
            f"{page}: no place for {part}; add these two lines where its tables shall stand:\n{begin}\n{end}"
        )
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
