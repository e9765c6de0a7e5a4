"""How the text of a setting becomes its value; wherever it was given, it is text first."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
NO_VALUE = frozenset({"", "none", "null", "~"})


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """True where only this machine (in Kubernetes: this pod) can reach it.

        >>> Address("127.0.0.1", 10877).loopback, Address("::", 10877).loopback
        (True, False)
        """
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Parser(Protocol):
    """Text to value. Raises ValueError with a sentence that names the text and what would be right."""

    @property
    def expected(self) -> str:
        """What is right, to stand after "is not" and in the documentation."""
        ...

    def __call__(self, text: str) -> object:
        """The value."""
        ...


def refused(text: str, parser: Parser) -> ValueError:
    """The error of a parser that takes no part of this text."""
    return ValueError(f"{text!r} is not {parser.expected}")


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number within bounds.

    >>> Number(int, at_least=1, at_most=9)("7")
    7
    >>> Number(float, above=0)("0")
    Traceback (most recent call last):
    ValueError: '0' is not a number above 0
    """

    type: type[int | float]
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None

    @property
    def expected(self) -> str:
        """For instance "a whole number from 1 to 9"."""
        noun = "a whole number" if self.type is int else "a number"
        if self.above is not None:
            return f"{noun} above {self.above}"
        if self.at_most is None:
            return f"{noun} of at least {self.at_least}"
        return f"{noun} from {self.at_least} to {self.at_most}"

    def __call__(self, text: str) -> int | float:
        """The number."""
        try:
            number = self.type(text)
        except ValueError:
            raise refused(text, self) from None
        within = (
            -math.inf < number < math.inf
            and (self.at_least is None or number >= self.at_least)
            and (self.at_most is None or number <= self.at_most)
            and (self.above is None or number > self.above)
        )
        if not within:
            raise refused(text, self)
        return number


@dataclass(frozen=True, slots=True)
class Only:
    """One number and no other, with the reason why."""

    number: int
    reason: str

    @property
    def expected(self) -> str:
        """The number and the reason."""
        return f"{self.number}: {self.reason}"

    def __call__(self, text: str) -> int:
        """The number."""
        if text.strip() != str(self.number):
            raise refused(text, self)
        return self.number


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words, in upper or lower case."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        """The words."""
        return f"one of {', '.join(self.words)}"

    def __call__(self, text: str) -> str:
        """The word."""
        if text.lower() not in self.words:
            raise refused(text, self)
        return text.lower()


@dataclass(frozen=True, slots=True)
class Listen:
    """ADDRESS:PORT.

    >>> Listen()("[::1]:10877")
    Address(host='::1', port=10877)
    """

    expected: str = "ADDRESS:PORT, such as 127.0.0.1:10877 or [::1]:10877 (IPv6 in brackets)"

    def __call__(self, text: str) -> Address:
        """The address; whether the host exists is found out when listening."""
        host, colon, port = text.rpartition(":")
        if colon and not host:
            raise ValueError(
                f"{text!r} has no address before the colon: 0.0.0.0{text} listens on every IPv4 address, "
                f"[::]{text} on every IPv6 address, 127.0.0.1{text} on this machine alone"
            )
        if not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise refused(text, self)
        bracketed = host.startswith("[") and host.endswith("]")
        bare = host[1:-1] if bracketed else host
        try:
            right = (ipaddress.ip_address(bare).version == 6) == bracketed
        except ValueError:
            # Digits and dots that are no IPv4 address would otherwise pass for a host name.
            right = not bracketed and bool(HOST_NAME.fullmatch(bare)) and not re.fullmatch(r"[\d.]+", bare)
        if not right:
            raise refused(text, self)
        return Address(bare, int(port))


@dataclass(frozen=True, slots=True)
class Name:
    """A name that can be a label value."""

    expected: str = "a name without control characters"

    def __call__(self, text: str) -> str:
        """The name, as it is."""
        if not text or not text.isprintable():
            raise refused(text, self)
        return text


@dataclass(frozen=True, slots=True)
class NamedNumber:
    """NAME=NUMBER, the number above 0.

    >>> NamedNumber(("norm", "spread"))("norm=0.02")
    ('norm', 0.02)
    """

    names: tuple[str, ...]

    @property
    def expected(self) -> str:
        """The form and the names."""
        return f"NAME=NUMBER with a number above 0, and a name of {', '.join(self.names)}"

    def __call__(self, text: str) -> tuple[str, float]:
        """Name and number."""
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            raise refused(text, self) from None
        if name.strip() not in self.names or not 0 < value < math.inf:
            raise refused(text, self)
        return name.strip(), value


@dataclass(frozen=True, slots=True)
class ExistingFile:
    """The path of a file that is there."""

    expected: str = "an existing file (relative paths start in the working directory)"

    def __call__(self, text: str) -> Path:
        """The path."""
        path = Path(text)
        try:
            there = path.is_file()
        except (OSError, ValueError):
            there = False
        if not there:
            raise refused(text, self)
        return path


@dataclass(frozen=True, slots=True)
class Directory:
    """The path of a directory, or of one that is to be made."""

    expected: str = "a directory, made if it is not there (relative paths start in the working directory)"

    def __call__(self, text: str) -> Path:
        """The path."""
        path = Path(text)
        try:
            taken = not text or (path.exists() and not path.is_dir())
        except (OSError, ValueError):
            taken = True
        if taken:
            raise refused(text, self)
        return path


@dataclass(frozen=True, slots=True)
class OrNone:
    """A value or none."""

    parser: Parser

    @property
    def expected(self) -> str:
        """What the value is, or none."""
        return f"{self.parser.expected}, or none"

    def __call__(self, text: str) -> object:
        """The value or None."""
        if text.lower() in NO_VALUE:
            return None
        try:
            return self.parser(text)
        except ValueError:
            raise refused(text, self) from None


@dataclass(frozen=True, slots=True)
class ListOf:
    """Any number of values, each once: separated by commas, or a list in the file."""

    item: Callable[[str], object]
    expected: str

    def __call__(self, text: str) -> tuple[object, ...]:
        """The values of one text.

        >>> ListOf(Name(), "names")("e5, bge")
        ('e5', 'bge')
        """
        if text in NO_VALUE:
            return ()
        return self.all(part.strip() for part in text.split(",") if part.strip())

    def all(self, texts: Iterable[str]) -> tuple[object, ...]:
        """The values of several texts, each of which is one value."""
        return tuple(dict.fromkeys(self.item(text) for text in texts))
