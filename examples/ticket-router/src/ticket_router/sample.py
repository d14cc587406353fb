"""Support tickets to start with, put together from hand-written parts. No person, company or ticket is behind them.

The parts lie in the folder tickets/. A ticket is one of 400 messages, worded by chance, and what people write around
it: what they ask for in everyday words, an earlier matter that is settled, small talk, the quoted mail below. Then
comes what its channel does to a text. The label is the message's, so it is often not what most words are about.
Three labels in a hundred are wrong, as they are when people give them in a hurry.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import pandas as pd

from . import noise

ROWS = 4000
WRONG_LABELS = 0.03
# Share of the tickets that come through each channel.
CHANNELS = {"chat": 0.3, "email": 0.35, "phone": 0.15, "web": 0.2}
# How often people write about each matter.
FREQUENCY = {
    "account_locked": 7,
    "address_change": 8,
    "billing_error": 10,
    "cancellation": 10,
    "defective_item": 12,
    "delivery_late": 13,
    "parcel_missing": 9,
    "password_reset": 10,
    "product_question": 9,
    "refund": 12,
}
# Share of the tickets in which the message stands alone; of the others, that ask in everyday words; of these, twice.
ALONE, ASKED, TWICE = 0.05, 0.95, 0.6
# Share that tells of a settled matter first, or at the end; that rambles; of the mails, that quotes an earlier one.
BEFORE, AFTER, RAMBLING, QUOTING = 0.08, 0.06, 0.05, 0.15
# How a sentence starts that ends with a question mark.
QUESTION = re.compile(r"(who|what|where|when|why|which|how|can|could|is|are|am|do|does|did|has|would|will)\b", re.I)


def rows() -> pd.DataFrame:
    """4,000 raw rows: ticket_id, thread_id, source, text, intent. The same at each call."""
    chance = Random(2026)  # noqa: S311, nothing secret
    threads = [(intent, message) for intent, messages in _read("messages").items() for message in messages]
    weights = [FREQUENCY[intent] * chance.uniform(0.5, 1.5) for intent, _ in threads]
    drawn = chance.choices(range(len(threads)), weights, k=ROWS)
    return pd.DataFrame([_row(number, thread, *threads[thread], chance) for number, thread in enumerate(drawn, 1)])


def _row(number: int, thread: int, intent: str, message: str, chance: Random) -> dict[str, str]:
    source = chance.choices(list(CHANNELS), list(CHANNELS.values()))[0]
    return {
        "ticket_id": f"T{number:05d}",
        "thread_id": f"H{thread:04d}",
        "source": source,
        "text": _ticket(intent, message, source, chance),
        "intent": _labelled(intent, chance),
    }


def _ticket(intent: str, message: str, source: str, chance: Random) -> str:
    other = chance.choice([name for name in _parts()["settled"] if name != intent])
    told = [message] if chance.random() < ALONE else _surrounded(message, intent, other, chance)
    body = " ".join(_sentence(text) for text in _about(chance.choice(_parts()["fill"]["product"]), told, chance))
    text = _CHANNEL[source](body, chance)
    return text + _quoted(other, chance) if source == "email" and chance.random() < QUOTING else text


def _about(product: str, told: list[str], chance: Random) -> list[str]:
    """The parts of a ticket, worded, all about the same product."""
    article = "an" if product[0] in "aeiou" else "a"
    worded = [_worded(part, chance) for part in told]
    return [text.replace("<a product>", f"{article} {product}").replace("<product>", product) for text in worded]


def _surrounded(message: str, intent: str, other: str, chance: Random) -> list[str]:
    """The message among the sentences that may stand before and after it."""
    told, parts, kind = [message], _parts(), chance.random()
    if chance.random() < ASKED:
        asked = chance.sample(parts["request"][intent], 2 if chance.random() < TWICE else 1)
        told = [*told, *asked] if chance.random() < 0.5 else [*asked, *told]
    if kind < BEFORE:
        told[0] = f"{chance.choice(parts['pivot']['before'])} {told[0]}"
        told.insert(0, chance.choice(parts["settled"][other]))
    elif kind < BEFORE + AFTER:
        told.append(f"{chance.choice(parts['pivot']['after'])} {chance.choice(parts['settled'][other])}")
    fillers = chance.randint(3, 7) if chance.random() < RAMBLING else chance.choice((0, 0, 0, 1, 1, 2))
    for filler in chance.sample(parts["filler"]["any"], fillers):
        told.insert(chance.choice((0, len(told))), filler)
    return told


def _email(body: str, chance: Random) -> str:
    text = _framed(_typed(body, chance, 0.02), "email", chance, 0.85, "\n\n")
    lines = [text, "", _part("signature", "email", chance)]
    if chance.random() < 0.4:
        lines = [f"Subject: {_part('subject', 'email', chance)}", "", *lines]
    return "\n".join(lines)


def _quoted(intent: str, chance: Random) -> str:
    """What a mail quotes at its end: support's last words on a matter, or the whole exchange."""
    asked, answered = _parts()["quoted"][intent]
    earlier = f"\n> > {asked}" if chance.random() < 0.5 else ""
    return _worded(f"\n\nOn <weekday> support wrote:\n> {answered}{earlier}", chance)


def _chat(body: str, chance: Random) -> str:
    text = noise.shortened(_typed(body, chance, 0.07), chance, 0.5)
    text = noise.unpunctuated(text) if chance.random() < 0.4 else text
    return _framed(text if chance.random() < 0.3 else text.lower(), "chat", chance)


def _phone(body: str, chance: Random) -> str:
    return noise.dictated(_framed(body, "phone", chance), chance)


def _web(body: str, chance: Random) -> str:
    text = _framed(_typed(body, chance, 0.04), "web", chance)
    text = text.upper() if chance.random() < 0.06 else text
    return f"{_part('subject', 'web', chance)}\n{text}" if chance.random() < 0.3 else text


_CHANNEL = {"chat": _chat, "email": _email, "phone": _phone, "web": _web}


def _framed(text: str, source: str, chance: Random, share: float = 0.5, between: str = " ") -> str:
    """With an opening and a closing of the channel, each in this share of the tickets."""
    ends = [_part(part, source, chance) if chance.random() < share else "" for part in ("opening", "closing")]
    return between.join(part for part in (ends[0], text, ends[1]) if part)


def _typed(text: str, chance: Random, share: float) -> str:
    """With the slips of one person: most make few, some make many."""
    return noise.typos(text, chance, share * chance.choice((0, 0.5, 1, 3)))


def _part(name: str, source: str, chance: Random) -> str:
    return _worded(chance.choice(_parts()[name][source]), chance)


def _worded(text: str, chance: Random) -> str:
    """With each choice made and each blank but the product filled."""
    while "{" in text:
        text = re.sub(r"\{([^{}]*)\}", lambda found: chance.choice(found[1].split("|")), text)
    return re.sub(r"<(order|amount|weekday|month|days)>", lambda found: _filled(found[1], chance), text)


def _filled(blank: str, chance: Random) -> str:
    if blank == "order":
        return f"{chance.choice(('', '#', 'no. '))}{chance.randrange(10_000, 99_999)}"
    if blank == "amount":
        return f"{chance.choice(('', '£', '€'))}{chance.randrange(5, 400)}{chance.choice(('', '.90', '.50'))}"
    return str(chance.choice(_parts()["fill"][blank]))


def _sentence(text: str) -> str:
    """With a capital letter at each start, and a mark at the end."""
    text = re.sub(r"(^|[.!?] )([a-z])", lambda found: found[1] + found[2].upper(), text)
    if text[-1] in ".!?":
        return text
    return text + ("?" if QUESTION.match(re.split(r"[.!?:] ", text)[-1]) else ".")


def _labelled(intent: str, chance: Random) -> str:
    return chance.choice(_parts()["confused"][intent]) if chance.random() < WRONG_LABELS else intent


def _parts() -> dict[str, Any]:
    return _read("parts")


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "tickets" / f"{name}.toml").read_text(encoding="utf-8"))
