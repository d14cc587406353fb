"""Texts that give orders to a language model, in questions and in documents.

Looked for are forms of orders (set aside what you were told, become someone else, show your prompt, markup of a
conversation), each in the text as it came and in what it may hide: letters of other alphabets that look Latin, digits
for letters, letters with gaps, Base64. A document may explain injection, so it may use the words; orders it may not
give. Patterns miss what is new: they keep noise out, and are no boundary. The boundary is that rights are checked
before the search, and that an answer can trigger nothing.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from . import Verdict

# Cyrillic and Greek letters that look like Latin ones.
_LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u043a\u043c\u0442\u0432\u043d"
    "\u03b1\u03b5\u03bf\u03c1\u03c5\u03c7\u03b9\u03ba\u03bd\u03c4\u0131\u0261\u0251",
    "aeopcyxijsdhkmtbhaeopyxikvtiga",
)
_LEET = str.maketrans("013457@$", "oieastas")
_WORD = re.compile(r"[\w@$]{2,40}")
# Four letters or more with the same gap between them.
_SPACED = re.compile(r"(?<!\w)\w(?:([ ._*|-])\w(?!\w)){3,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
# Long gaps make patterns slow.
_GAPS = re.compile(r"\s{2,}")
_INVISIBLE = ("Cf", "Cc", "Co")
# How often what was decoded is looked into again.
DEPTH = 2


@dataclass(frozen=True)
class Form:
    """A form of orders, with what is said of it."""

    name: str
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Injection:
    """A guard that refuses a text in which it finds a form."""

    forms: tuple[Form, ...]

    def check(self, text: str) -> Verdict:
        """Refuse a text that gives orders to a language model."""
        found = _found(self.forms, text)
        return Verdict(not found, f"it looks like an injected order: {found}" if found else "", text)


@lru_cache(maxsize=4096)  # the same passages come again and again
def _found(forms: tuple[Form, ...], text: str) -> str:
    """The name of the first form that a text has; empty without any."""
    return next((form.name for view in views(text) for form in forms if form.pattern.search(view)), "")


def views(text: str, depth: int = DEPTH) -> Iterator[str]:
    """The text in small letters without accents, and in the other ways in which it may be read."""
    visible = _visible(text)
    plain = _plain(visible)
    latin = plain.translate(_LOOKALIKES)
    joined = _SPACED.sub(lambda found: found[0].replace(found[1], ""), plain)
    letters = _WORD.sub(_without_digits, latin)
    glued = "".join(letter for letter in letters if letter.isalpha())
    yield from dict.fromkeys((plain, latin, joined, letters, glued))
    if depth:
        for hidden in _decoded(visible):
            yield from views(hidden, depth - 1)


def _visible(text: str) -> str:
    """Without what nobody sees. Tags, which spell text that only a model reads, become their letters."""
    tags = "".join(chr(ord(letter) - 0xE0000) if 0xE0020 <= ord(letter) < 0xE007F else letter for letter in text)
    folded = unicodedata.normalize("NFKC", tags)
    return "".join(letter for letter in folded if letter in "\n\t" or unicodedata.category(letter) not in _INVISIBLE)


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.lower())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return _GAPS.sub(lambda found: "\n" if "\n" in found[0] else "  ", bare.replace("\u2019", "'"))


def _without_digits(word: re.Match[str]) -> str:
    """A word of letters and digits with the letters that the digits look like; a number stays one."""
    return word[0].translate(_LEET) if re.search("[a-z]", word[0]) else word[0]


def _decoded(text: str) -> Iterator[str]:
    for other in (html.unescape(text), unquote(text)):
        if other != text:
            yield other
    for found in _BASE64.finditer(text):
        yield from _base64(found[0])


def _base64(token: str) -> Iterator[str]:
    """The text that a token spells, if it is one. Names and digests spell bytes that are none."""
    standard = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(standard + "=" * (-len(standard) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    if decoded.isprintable() or "\n" in decoded:
        yield decoded


# Words of several languages, as they stand in a plain view: small letters, no accents.
_SET_ASIDE = (
    r"(?:ignor\w*|disregard\w*|forget\w*|overrid\w+|bypass\w*|neglect\w*|discard\w*"
    r"|(?:do not|don't|stop|never) (?:follow|obey)\w*|vergiss|vergesst|missachte\w*|oublie\w*|olvid\w*|dimentica\w*"
    r"|esquec\w*|negeer\w*|vergeet|zignoruj\w*|игнорир\w*|забудь\w*)"
)
_ORDERS = (
    r"(?:instruction\w*|instrucc?i\w+|istruzion\w*|instrucoes|rules?|prompts?|guidelines?|polic(?:y|ies)|restrictions?"
    r"|directives?|anweisung\w*|regel\w*|vorgabe\w*|consigne\w*|regle\w*|regla\w*|regole|instructies|инструкци\w*"
    r"|правил\w*|указани\w*)"
)
_GIVEN = (
    r"(?:previous|prior|preceding|earlier|above|former|foregoing|your|system|safety|hidden|initial|original|access"
    r"|bisherig\w*|vorherig\w*|obig\w*|deine\w*|ihre|precedent\w*|vos|tes|anterior\w*|previas|tus|precedenti|tue"
    r"|eerdere|vorige|предыдущ\w*|прежн\w*|свои|твои)"
)
_GIVEN_AFTER = (
    r"(?:above|before|you (?:were|are|have)|given to you|so far|until now|von oben|oben|ci-dessus|de arriba"
    r"|anterior\w*|previ[ao]s|precedent\w*)"
)
_SAID = (
    r"(?:above|you (?:were|have been|had been|are) (?:told|given|taught)|(?:said|told|written) (?:before|earlier))\b"
)
_SHOW = (
    r"(?:print|reveal|show|repeat|tell|output|display|give|send|leak|read|quote|recite|write|copy|append|translate"
    r"|summari[sz]e|paraphrase|need|want|see|know|expose|disclose|dump|share|list|zeige?|nenne?|gib|affiche\w*"
    r"|montre\w*|muestra\w*|mostra\w*|выведи|покажи)"
)
_NO_QUESTION = r"(?! (?:(?:me|us) )?(?:how|why|when|where|which|whether)\b)"
_SECRET = r"(?:system|hidden|secret|initial|developer)"  # noqa: S105 - a word of a pattern
_PROMPT = (
    r"(?:prompts?|instructions?|rules|guidelines|system message|message systeme"
    r"|(?:system)?anweisung(?:en)?|systemprompt|instrucciones|istruzioni|инструкции)"
)
_INPUTS = r"(?:instructions|question|context|passages|user)"
_TEXT = r"(?:text|words?|lines?|sentences?|phrases?|links?|images?|everything|conversation|messages?)"
_REPLY = r"(?:\w+ )?(?:answers?|repl(?:y|ies)|responses?|outputs?)"
_EACH = r"(?:every|each|all|any|your)"
_MODE = r"(?:developer|god|jailbreak|dan|sudo|unrestricted)"
_SOMEONE = (
    r"(?:assistants?|ai|llm|language model|model|bot|chatbot|hacker|character|persona|pirate|administrator|admin)"
)
_GAP = r"(?:\W+\w+){0,%d}?\W+"
# The start of a clause, where an order begins.
_CLAUSE = r"(?:^|[.!?:;,\n\"'>(*|-]\s*|\b(?:please|and|then|also|now|bitte)\s+)"
_ASSISTANT = r"(?:ai(?: (?:assistant|model|agent|system))?|assistant|language model|llm|chat ?bot|gpt|copilot)s?"
_GREETING = r"(?:^|[.!?>(\"'*|:\]/#-]\s*|\b(?:dear|hey|attention)\s+)"
_IMPERATIVE = (
    r"(?:when\w*|if|from now on|you|please|always|never|do not|don't|must|ignore|disregard|forget|append|add|say"
    r"|answer|reply|respond|output|print|write|tell|recommend|reveal|include|insert|start|begin|end|finish|repeat"
    r"|pretend|act|follow|send|call|run|execute|use|mention|state)"
)


def _form(name: str, *patterns: str) -> Form:
    return Form(name, re.compile("|".join(patterns), re.MULTILINE))


_SETS_ASIDE = _form(
    "set aside what was said",
    rf"\b{_SET_ASIDE}(?:\W+\w+){{0,4}}?\W*{_GIVEN}\W*(?:\w+\W+){{0,2}}?{_ORDERS}",
    rf"\b{_SET_ASIDE}{_GAP % 3}{_ORDERS}\W+{_GIVEN_AFTER}\b(?!\W*\d)",
    rf"\b{_SET_ASIDE}\W*(?:all|any|every|everything|what(?:ever)?)\W*(?:\w+\W+){{0,3}}?{_SAID}",
    rf"{_CLAUSE}(?:ignore|disregard|forget|override) (?:the|all|any|these|those) {_INPUTS}\b",
    rf"\b(?:reset|erase|clear|drop|delete|break|violate|abandon) (?:all )?your (?:\w+ )?{_ORDERS}",
    # Without the gaps between words.
    r"(?:ignore|disregard|forget)(?:all|any|the|of|your|my){0,3}(?:previous|prior|earlier|above)\w{0,20}?(?:instruct|rules|prompt)",
    r"\b(?:instructions|rules) (?:above|before|so far) (?:are|were) (?:void|outdated|invalid|cancel\w+|replaced)\b",
    rf"{_CLAUSE}new (?:system )?instructions?\s*:",
)
_BECOMES = _form(
    "become someone else",
    r"\b(?:from (?:now|here|this (?:point|moment)) on|for the rest of (?:this|our) \w+)\W+you\b",
    rf"\byou are now (?:an? (?:\w+ ){{0,3}}{_SOMEONE}|dan|my|called|acting|in \w+ mode|\w+bot|\w+gpt)\b",
    rf"{_CLAUSE}(?:act|behave|answer|speak|role-?play) (?:as|like) (?:my|an? (?:\w+ ){{0,3}}{_SOMEONE}|if you|dan)\b",
    rf"\bpretend (?:that )?(?:you|to be)\b|{_CLAUSE}pretend (?:that )?(?:the|there)\b",
    rf"\b(?:unrestricted|uncensored|unfiltered|jailbroken) {_SOMEONE}\b",
    r"\byour (?:new|real|true|only|actual) (?:task|job|goal|purpose|role|instructions?) (?:is|are)\b",
    rf"\b{_MODE} mode\W+(?:is |has been |now )*(?:enabled|on|activ\w+)\b",
    rf"\b(?:enable|enter|activate) (?:the )?{_MODE} mode\b",
    r"\byou (?:now )?(?:have|are under) no (?:more |longer )?(?:restrictions|rules|limits|filters|guidelines)\b",
    rf"\b{_SOMEONE} with(?:out)? (?:any |no )?(?:restrictions|rules|limits|filters|censorship)\b",
    r"\byou (?:must|may|can|shall|should)(?: not|not|n't) (?:ever )?(?:refuse|decline)\b|\bnever refuse\b",
)
_EXTRACTS = _form(
    "show the prompt",
    rf"\b{_SHOW}{_GAP % 7}(?:your|deine\w*|ton|votre|tu|tus|tue|твои) (?:\w+ ){{0,2}}?{_PROMPT}\b",
    rf"\b{_SHOW} (?:me|us|to me)\b{_NO_QUESTION}{_GAP % 4}{_SECRET} (?:\w+ )?{_PROMPT}\b",
    rf"{_CLAUSE}{_SHOW}{_NO_QUESTION}{_GAP % 4}{_SECRET} (?:\w+ )?{_PROMPT}\b",
    rf"\b{_PROMPT} (?:(?:that )?you (?:were|are|have been)|(?:were|are|have) you(?: been)?) (?:given|told|following)\b",
    rf"\b(?:repeat|print|copy|output|quote|translate){_GAP % 3}{_TEXT}\W+(?:\w+\W+){{0,2}}?(?:above|before this)\b",
    rf"{_CLAUSE}(?:reveal|disclose|leak) (?:the|all) (?:documents|data|files|records|secrets|passwords) (?:of|from)\b",
    r"\bwhat (?:are|is|were) your (?:\w+ )?(?:system prompt|instructions|initial prompt)\b",
)
_MARKUP = _form(
    "markup of a conversation",
    r"</?\s*(?:system|assistant|context|instructions?|im_start|im_end|user_query|documents?|passages?)\s*>",
    r"\[/?inst\]|<</?sys>>|<\|[\w ]{1,30}\|>|\[/?system\]|\bsystem override\b",
    r"^\W{0,10}(?:system|assistant|developer) ?(?:message|prompt|note)?:\s*(?:$|(?:you|i will|ignore|from now)\b)",
)
_LEAKS = _form(
    "send data by an address",
    r"!\[[^\]\n]{0,200}\]\(\s*(?:https?:)?//",
    r"\]\(\s*(?:https?:)?//[^)\s]{0,300}[?&]\w+=\s*\)",
    r"\b(?:append|insert|embed|encode|replace)\b[^.\n]{1,100}?\b(?:this conversation|everything you know)\b",
)
_ADDRESSES = _form(
    "it addresses an assistant",
    rf"{_GREETING}(?:(?:the|any|all|an?|every)\s+)?{_ASSISTANT}\s*[,:]\s*(?:\W|please )*{_IMPERATIVE}\b",
    rf"\b(?:note|message|instructions?|important|attention)\s*(?:(?:to|for)\s+)(?:(?:the|any|all|an?)\s+)?{_ASSISTANT}\b(?=\W)",
    rf"\bif you are an? {_ASSISTANT}\b",
    rf"{_CLAUSE}(?:append|add|insert|include) (?:\w+ ){{0,2}}{_TEXT}\b[^.\n]{{0,150}}? (?:to|in) {_EACH} {_REPLY}\b",
    rf"{_CLAUSE}(?:answer|reply|respond)(?: to)? {_EACH} (?:questions?|prompts?|messages?|requests?) (?:with|by)\b",
)
_DICTATES = _form(
    "dictate the answer",
    rf"\b(?:begin|start|end|finish)\w* (?:the|{_EACH}) {_REPLY} (?:with|by) (?:the |this )?(?:\"|'|saying|{_TEXT})",
    r"\b(?:answer|reply|respond)\w* (?:only|solely|exclusively|just) with (?:the word|the text|\"|')",
    r"\bconfirm (?:it )?with \"?access (?:granted|overridden)",
)
QUESTIONS = Injection((_SETS_ASIDE, _BECOMES, _EXTRACTS, _MARKUP, _LEAKS, _ADDRESSES, _DICTATES))
# An image in a document is ordinary, and whoever reads documents drops its address.
DOCUMENTS = Injection((_SETS_ASIDE, _BECOMES, _EXTRACTS, _MARKUP, _ADDRESSES, _DICTATES))
