"""Personal data that has a form: addresses, numbers of phones, accounts, cards and persons.

Exact rather than greedy: a number counts when its checksum, length and prefix say so, and what is part of an
address of a resource (abfss://…@…, git@host:path) does not. Names and free descriptions have no form; limit how long
texts are kept. The text is brought to plain letters first, so a masked text may differ from the one that came.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from . import Verdict


@dataclass(frozen=True)
class Kind:
    """A kind of personal data: what it looks like, and what decides about a match."""

    name: str
    pattern: re.Pattern[str]
    is_one: Callable[[re.Match[str]], bool]


def check(text: str) -> Verdict:
    """Refuse a text that holds personal data or asks for that of a person, and mask it."""
    plain = _plain(text)
    masked, names = plain, list[str]()
    for kind in KINDS:
        masked, number = _masked(masked, kind)
        names += [kind.name] * bool(number)
    if names:
        return Verdict(False, f"it holds personal data: {', '.join(names)}", masked)
    if _ASKING.search(plain):
        return Verdict(False, "it asks for personal data of a person", text)
    return Verdict(True, "", text)


def _plain(text: str) -> str:
    """Full-width letters and digits as plain ones, without characters that nobody sees."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")


def _masked(text: str, kind: Kind) -> tuple[str, int]:
    count = 0

    def mask(found: re.Match[str]) -> str:
        nonlocal count
        if _is_in_address(found) or not kind.is_one(found):
            return found[0]
        count += 1
        return f"[{kind.name}]"

    return kind.pattern.sub(mask, text), count


def _is_in_address(found: re.Match[str]) -> bool:
    """Whether it stands inside a URL: then it names a resource."""
    before = re.search(r"\S{0,300}\Z", found.string[max(0, found.start() - 300) : found.start()])
    return before is not None and "://" in before[0]


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


# Phones

# Country calling codes, by ITU-T E.164.
_CALLING = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[789]\d|8[057]\d|9[679]\d"
)


def _is_international(found: re.Match[str]) -> bool:
    """A calling code, then a national number of a fitting length that does not begin with 0 (but in Italy)."""
    digits = _digits(found[0].replace("(0)", "")).removeprefix("00")
    code = _CALLING.match(digits)
    if code is None:
        return False
    national = digits[code.end() :]
    if code[0] == "1":
        return len(national) == 10 and national[0] in "23456789"
    return 6 <= len(national) <= 12 and (national[0] != "0" or code[0] == "39")


def _is_local(found: re.Match[str]) -> bool:
    return 6 <= len(_digits(found[1])) <= 14


# Accounts and cards

# Length of an IBAN by country, from the registry of SWIFT.
_IBANS = """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27
    GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IS26 IT27 JO30 KW30 KZ20 LB28 LI21 LT20 LU20 LV21 MC27 MD24 ME22
    MK19 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SE24 SI19 SK24 SM27 TN24 TR26 UA29 VA22 XK20"""
_IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _IBANS.split()}
# Leading digits and lengths of cards.
_CARD = re.compile(
    r"4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|6(?:011|4[4-9]\d|5\d\d)\d{12}"
    r"|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)


def _is_iban(found: re.Match[str]) -> bool:
    """Length of its country, and ISO 7064 MOD 97-10."""
    iban = found[0].replace(" ", "").upper()
    if _IBAN_LENGTHS.get(iban[:2]) != len(iban):
        return False
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


def _is_card(found: re.Match[str]) -> bool:
    digits = _digits(found[0])
    return bool(_CARD.fullmatch(digits)) and _luhn(digits) and len(set(digits)) > 1


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


# Persons


def _is_us(found: re.Match[str]) -> bool:
    area, group, serial = found[0].split(found[1])
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


def _is_austrian(found: re.Match[str]) -> bool:
    """Weighted checksum in the fourth place, then a date of birth."""
    digits = [int(digit) for digit in _digits(found[0])]
    weights = (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)
    checksum = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return digits[0] > 0 and checksum == digits[3] and _is_date("".join(map(str, digits[4:])))


def _is_date(ddmmyy: str) -> bool:
    """Months 13 and 14 are given out when the numbers of a day are used up."""
    try:
        date(2000 + int(ddmmyy[4:]), min(12, int(ddmmyy[2:4])), int(ddmmyy[:2]))
    except ValueError:
        return False
    return int(ddmmyy[2:4]) <= 14


def _is_swiss(found: re.Match[str]) -> bool:
    digits = [int(digit) for digit in _digits(found[0])]
    return sum(digit * (1 + 2 * (place % 2)) for place, digit in enumerate(digits)) % 10 == 0


def _is_french(found: re.Match[str]) -> bool:
    digits = _digits(found[0])
    return int(digits[:13]) % 97 == 97 - int(digits[13:])


# Computers of persons


def _is_address(found: re.Match[str]) -> bool:
    """A public address. Four small numbers are more likely a version."""
    try:
        address = ipaddress.ip_address(found[0])
    except ValueError:
        return False
    return address.is_global and (address.version == 6 or any(int(part) >= 100 for part in found[0].split(".")))


def _always(_: re.Match[str]) -> bool:
    return True


def _kind(name: str, is_one: Callable[[re.Match[str]], bool], *pattern: str) -> Kind:
    return Kind(name, re.compile("".join(pattern)), is_one)


# No part of a longer word, path, name or number.
_START, _END = r"(?<![\w/=#.:-])(?<!\d[ ,])", r"(?![\w/-])(?![.,:]\d)"
_BRITISH = r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"
_FRENCH = r"[12] ?\d\d ?(?:0[1-9]|1[0-2]) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d"
_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,5}[A-Za-z]{2,24}"
_PHONE = r"(?i:tel|telephone|phone|mobile|cell|fax|handy|telefon)(?i: ?(?:number|no|nr)\b)?\.?(?: is| ist|:)? ?"
KINDS = (
    _kind("e-mail address", _always, r"(?<![\w.+%@/:-])\w[\w.+%'-]{0,63}@", _DOMAIN, r"(?![\w@:-])"),
    _kind("IBAN", _is_iban, _START, r"[A-Za-z]{2}\d\d(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?", _END),
    _kind("card number", _is_card, _START, r"\d{4}(?:([ -]?)\d{4}(?:\1\d{4}){2}|([ -]?)\d{6}\2\d{4,5})", _END),
    _kind("social security number", _is_us, _START, r"\d{3}([- ])\d\d\1\d{4}", _END),
    _kind("insurance number", _is_austrian, _START, r"\d{4}[ /-]\d{6}", _END),
    _kind("insurance number", _is_swiss, _START, r"756([. ])\d{4}\1\d{4}\1\d\d", _END),
    _kind("insurance number", _is_french, _START, _FRENCH, _END),
    _kind("insurance number", _always, _START, _BRITISH, _END),
    _kind(
        "IP address",
        _is_address,
        r"(?<![\w./=:-])(?<!version )(?<!release )\d{1,3}(?:\.\d{1,3}){3}(?![\w/-]|\.\d)",
    ),
    _kind("IP address", _is_address, r"(?<![\w./:-])[23][0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w/:-])"),
    _kind(
        "phone number",
        _is_international,
        r"(?<![\w)+])(?:\+|00(?=[1-9]\d{0,2}[ /]))\d{1,3}(?:[ ./-]{0,2}(?:\(\d{1,4}\)|\d{1,12})){1,6}(?!\w|[.,:]\d)",
    ),
    _kind("phone number", _always, r"(?<![\w(-])(?:\([2-9]\d\d\) ?|[2-9]\d\d-)[2-9]\d\d-\d{4}(?![\w-])"),
    _kind("phone number", _is_local, r"\b", _PHONE, r"((?:\(?0|[2-9])[\d ()/-]{5,20}\d)(?![\w.])"),
)
# Asking for what belongs to one person.
_OWN = r"(?:private|personal|home|mobile) (?:(?:tele)?phone |e-?mail )?(?:number|address|phone|telephone|e-?mail)"
_ASKING = re.compile(
    rf"\b(?:{_OWN}|date of birth|passport number|social security number)"
    r"(?: and \w+(?: \w+){0,2})? of (?:the|my|our|a|an|his|her|[A-Z])"
)
