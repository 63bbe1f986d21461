"""Write the tables of the sandbox's README again: `PYTHONPATH=function python -m tests.sandbox_tests.readme`."""

from pathlib import Path

from tests.foreign_clients.table import table
from tests.sandbox.offers import offers

README = Path(__file__).parents[1] / "sandbox" / "README.md"


def written_again(text: str) -> str:
    """Return the README with its tables as they have to be."""
    for name, content in (("clients", table()), ("offers", offers())):
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->\n")
        text = f"{before}{begin}{content}{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(written_again(README.read_text()))
