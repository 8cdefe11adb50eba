"""Times by example, as Go's `time` reads and writes them (`Mon Jan 2 15:04:05 MST 2006`)."""

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.text import quoted

NAMED: Final = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}
"""Layouts that OPA knows by a name."""

MOST_LAYOUT: Final = 1_000
"""Characters: a layout is written by hand; reading a time costs their product with its length."""

_ELEMENT: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2"
    r"|_2(?!006)|__2|3|4|5|PM|pm"
    r"|-070000|-07:00:00|-0700|-07:00|-07|Z070000|Z07:00:00|Z0700|Z07:00|Z07"
    r"|[.,](?:0+|9+)(?![0-9])"
)
"""Go's `nextStdChunk`; the order decides."""
_MONTHS: Final = tuple(calendar.month_name[1:])
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_ZONE_NAME: Final = re.compile(
    r"ChST|MeST|GMT(?:[+-]\d+)?|[+-]\d+|WITA(?![A-Z])"
    r"|[A-Z]{4}T(?![A-Z])|[A-Z]{3}T(?![A-Z])|[A-Z]{3}(?![A-Z])",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"\d\d?", re.ASCII)
_SIGNED: Final = re.compile(r"[+-]?\d+", re.ASCII)


def split(layout: str) -> list[tuple[str, str]]:
    """The layout as pairs: text that stands for itself, and the element after it (or empty)."""
    if len(layout) > MOST_LAYOUT:
        raise BuiltinError("the layout is too long")
    parts = []
    at = 0
    for match in _ELEMENT.finditer(layout):
        parts.append((layout[at : match.start()], match[0]))
        at = match.end()
    parts.append((layout[at:], ""))
    return parts


def write(moment: datetime, nanoseconds: int, layout: str) -> str:
    """`moment` as the layout shows it.

    Args:
        moment: with its zone, in whole seconds.
        nanoseconds: of the second.
        layout: Go's.
    """
    return "".join(
        text + (_shown(moment, nanoseconds, element) if element else "")
        for text, element in split(layout)
    )


def _shown(moment: datetime, nanoseconds: int, element: str) -> str:
    if element[0] in ".,":
        digits = f"{nanoseconds:09d}"[: len(element) - 1].ljust(len(element) - 1, "0")
        if element[1] == "9":
            digits = digits.rstrip("0")
        return element[0] + digits if digits else ""
    if element[0] in "-Z":
        return _offset_shown(moment, element)
    hour12 = moment.hour % 12 or 12
    yday = moment.timetuple().tm_yday
    weekday = _DAYS[moment.isoweekday() % 7]
    month = _MONTHS[moment.month - 1]
    return {
        "January": month, "Jan": month[:3], "Monday": weekday, "Mon": weekday[:3],
        "MST": moment.tzname() or "", "01": f"{moment.month:02d}", "1": str(moment.month),
        "02": f"{moment.day:02d}", "_2": f"{moment.day:2d}", "2": str(moment.day),
        "002": f"{yday:03d}", "__2": f"{yday:3d}", "2006": f"{moment.year:04d}",
        "06": f"{moment.year % 100:02d}", "15": f"{moment.hour:02d}", "03": f"{hour12:02d}",
        "3": str(hour12), "04": f"{moment.minute:02d}", "4": str(moment.minute),
        "05": f"{moment.second:02d}", "5": str(moment.second),
        "PM": "PM" if moment.hour >= 12 else "AM", "pm": "pm" if moment.hour >= 12 else "am",
    }[element]  # fmt: skip


def _offset_shown(moment: datetime, element: str) -> str:
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    if not seconds and element[0] == "Z":
        return "Z"
    # Go rounds to minutes towards zero, and takes the sign from what is left
    sign = "-" if int(seconds / 60) < 0 else "+"
    minutes, rest = divmod(abs(seconds), 60)
    colon = ":" if ":" in element else ""
    shown = f"{sign}{minutes // 60:02d}"
    if len(element) > 3:
        shown += f"{colon}{minutes % 60:02d}"
    if len(element) > 6:
        shown += f"{colon}{rest:02d}"
    return shown


def read(layout: str, text: str) -> tuple[int, int]:
    """The moment that `text` shows: seconds since 1970, and nanoseconds of the second.

    Raises:
        BuiltinError: it does not look like the layout, or there is no such time.
    """
    return _Reading(layout, text).moment()


class _Bad(Exception):
    """The element cannot be read here."""


class _Reading:
    def __init__(self, layout: str, text: str) -> None:
        self.layout, self.text, self.rest = layout, text, text
        self.year = 0
        self.month = self.day = self.yday = -1
        self.hour = self.minute = self.second = self.nanoseconds = self.offset = 0
        self.half = ""
        parts = split(layout)
        for index, (literal, element) in enumerate(parts):
            self.skip(literal)
            if not element:
                break
            fraction = parts[index + 1][1].startswith((".", ","))
            hold = self.rest
            try:
                self.element(element, fraction)
            except _Bad:
                raise self.failed(hold, element) from None
        if self.rest:
            raise self.wrong(f": extra text: {quoted(self.rest)}")

    def failed(self, rest: str, element: str) -> BuiltinError:
        return BuiltinError(
            f"parsing time {quoted(self.text)} as {quoted(self.layout)}: "
            f"cannot parse {quoted(rest)} as {quoted(element)}"
        )

    def wrong(self, message: str) -> BuiltinError:
        return BuiltinError(f"parsing time {quoted(self.text)}{message}")

    def limit(self, value: int, low: int, high: int, what: str) -> int:
        if not low <= value <= high:
            raise self.wrong(f": {what} out of range")
        return value

    def skip(self, literal: str) -> None:
        left = literal
        while left:
            if left[0] == " ":
                if self.rest and self.rest[0] != " ":
                    raise self.failed(self.rest, literal)
                left, self.rest = left.lstrip(" "), self.rest.lstrip(" ")
            elif not self.rest or self.rest[0] != left[0]:
                raise self.failed(self.rest, literal)
            else:
                left, self.rest = left[1:], self.rest[1:]

    def take(self, length: int) -> str:
        if len(self.rest) < length:
            raise _Bad
        taken, self.rest = self.rest[:length], self.rest[length:]
        return taken

    def number(self, fixed: bool = False) -> int:
        match = _NUMBER.match(self.rest)
        if match is None or (fixed and len(match[0]) == 1):
            raise _Bad
        self.rest = self.rest[match.end() :]
        return int(match[0])

    def name(self, names: tuple[str, ...], length: int | None) -> int:
        for index, name in enumerate(names):
            wanted = name[:length]
            if self.rest[: len(wanted)].lower() == wanted.lower() and self.rest.isascii():
                self.rest = self.rest[len(wanted) :]
                return index
        raise _Bad

    def fraction(self, length: int) -> None:
        digits = self.take(length)
        if digits[0] not in ".," or not (digits[1:].isascii() and digits[1:].isdigit()):
            raise _Bad
        self.nanoseconds = int(digits[1:10].ljust(9, "0"))

    def digits_after_mark(self) -> int:
        """How long a fraction the rest begins with: its mark and digits; 0: none."""
        match = re.match(r"[.,]\d+", self.rest, re.ASCII)
        return match.end() if match else 0

    def element(self, element: str, fraction_follows: bool) -> None:
        match element:
            case "06":
                text = self.take(2)
                if not _SIGNED.fullmatch(text):
                    raise _Bad
                self.year = int(text) + (1900 if int(text) >= 69 else 2000)
            case "2006":
                text = self.take(4)
                if not (text.isascii() and text.isdigit()):
                    raise _Bad
                self.year = int(text)
            case "Jan":
                self.month = self.name(_MONTHS, 3) + 1
            case "January":
                self.month = self.name(_MONTHS, None) + 1
            case "1" | "01":
                self.month = self.limit(self.number(element == "01"), 1, 12, "month")
            case "Mon":
                self.name(_DAYS, 3)
            case "Monday":
                self.name(_DAYS, None)
            case "2" | "_2" | "02":
                if element == "_2":
                    self.rest = self.rest.removeprefix(" ")
                self.day = self.number(element == "02")
            case "__2" | "002":
                self.day_of_year(element == "002")
            case "15":
                self.hour = self.limit(self.number(), 0, 23, "hour")
            case "3" | "03":
                self.hour = self.limit(self.number(element == "03"), 0, 12, "hour")
            case "4" | "04":
                self.minute = self.limit(self.number(element == "04"), 0, 59, "minute")
            case "5" | "05":
                self.second = self.limit(self.number(element == "05"), 0, 59, "second")
                # a fraction may follow the seconds also where the layout has none
                if not fraction_follows and (length := self.digits_after_mark()):
                    self.fraction(length)
            case "PM" | "pm":
                self.half = self.take(2)
                if self.half not in (("PM", "AM") if element == "PM" else ("pm", "am")):
                    raise _Bad
            case "MST":
                self.zone_name()
            case _ if element[0] in ".,":
                if element[1] == "0":
                    self.fraction(len(element))
                elif length := self.digits_after_mark():
                    self.fraction(length)
            case _:
                self.zone_offset(element)

    def day_of_year(self, fixed: bool) -> None:
        for _ in range(0 if fixed else 2):
            self.rest = self.rest.removeprefix(" ")
        match = re.match(r"\d{1,3}", self.rest, re.ASCII)
        if match is None or (fixed and len(match[0]) != 3):
            raise _Bad
        self.rest = self.rest[match.end() :]
        self.yday = int(match[0])

    def zone_name(self) -> None:
        """Only UTC is known by its name; Go takes any other for an offset of zero, and so do we."""
        if self.rest.startswith("UTC"):
            self.rest = self.rest[3:]
            return
        match = _ZONE_NAME.match(self.rest)
        if match is None:
            raise _Bad
        length = match.end()
        signed = re.search(r"[+-](\d+)", match[0], re.ASCII)
        if signed and (len(signed[1]) > 9 or int(signed[1]) > 23):
            if not match[0].startswith("GMT"):
                raise _Bad
            length = 3
        self.rest = self.rest[length:]

    def zone_offset(self, element: str) -> None:
        if element[0] == "Z" and self.rest.startswith("Z"):
            self.rest = self.rest[1:]
            return
        text = self.take(len(element))
        if ":" in element:
            if any(text[at] != ":" for at in range(3, len(text), 3)):
                raise _Bad
            digits = text[1:].replace(":", "")
        else:
            digits = text[1:]
        if text[0] not in "+-" or not (digits.isascii() and digits.isdigit()):
            raise _Bad
        hours, minutes, seconds = (int(digits[at : at + 2] or "0") for at in (0, 2, 4))
        self.limit(hours, 0, 24, "time zone offset hour")
        self.limit(minutes, 0, 60, "time zone offset minute")
        self.limit(seconds, 0, 60, "time zone offset second")
        self.offset = ((hours * 60 + minutes) * 60 + seconds) * (-1 if text[0] == "-" else 1)

    def moment(self) -> tuple[int, int]:
        """What was read, once it is checked as a whole."""
        if self.half in ("PM", "pm") and self.hour < 12:
            self.hour += 12
        elif self.half in ("AM", "am") and self.hour == 12:
            self.hour = 0
        if self.yday >= 0:
            self.from_day_of_year()
        month, day = max(self.month, 1), self.day if self.day >= 0 else 1
        # Go has a year 0, and it is a leap year; so is 2000
        if not 1 <= day <= calendar.monthrange(self.year or 2000, month)[1]:
            raise self.wrong(": day out of range")
        if self.year < 1:
            raise BuiltinError("time outside of valid range")
        wall = datetime(self.year, month, day, self.hour, self.minute, self.second, tzinfo=UTC)
        return int(wall.timestamp()) - self.offset, self.nanoseconds

    def from_day_of_year(self) -> None:
        leap = calendar.isleap(self.year)
        if not 1 <= self.yday <= 365 + leap:
            raise self.wrong(": day-of-year out of range")
        found = datetime(2000 if leap else 2001, 1, 1) + timedelta(days=self.yday - 1)
        if self.month >= 0 and self.month != found.month:
            raise self.wrong(": day-of-year does not match month")
        if self.day >= 0 and self.day != found.day:
            raise self.wrong(": day-of-year does not match day")
        self.month, self.day = found.month, found.day
