"""The first redaction, made at intake: what the case itself knows, and what has the shape of a number of a person.

It is a draft. Names of people the case does not know are found only by a cue (张先生, 李某某, 姓名：), so a redacted copy is shown to
masked roles only as far as the rulebook lets them see it. Tokens are typed and consistent within a case: every form of one person's
name becomes the same 〔姓名1〕.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from policies.entities import Entities
from policies.folding import PARTING, Folded, digits, fold, squeeze
from policies.known_forms import KnownForms
from policies.recognisers import HIGH, LOW, MEDIUM, Hit, find
from policies.surnames import Surnames


@dataclass(frozen=True, slots=True)
class Span:
    """What was taken out: offsets in the original text, type (姓名, 电话, ...), the rule that found it, and how sure it is."""

    type: str
    rule: str
    start: int
    end: int
    confidence: str


@dataclass(frozen=True, slots=True)
class Redacted:
    text: str
    spans: tuple[Span, ...]


_TITLE: Final = re.compile(
    "先生|女士|小姐|师傅|老师|同志|大爷|大妈|大娘|大哥|大姐|阿姨|叔叔|老板|经理|主任|书记|局长|副局长|处长|科长|所长|院长|校长|镇长|乡长|村长|"
    "县长|市长|区长|队长|组长|会长|厂长|站长|董事长|总经理|医生|律师|法官|警官|支书|委员|干事|某某|某|××|XX|\\*\\*|×|X|\\*"
)
_BEFORE: Final = "老小阿"
_CALLED: Final = re.compile(f"[{_BEFORE}总工哥姐叔伯爷氏]")
_FEW: Final = 32
_SURE: Final = ("我叫", "我名叫", "名叫", "姓名", "联系人")
_CUE: Final = re.compile(r"(?:我叫|我名叫|名叫|姓名[:：]|联系人[:：]|投诉人[:：]?|举报人[:：]?|申请人[:：]?|信访人[:：]?|反映人[:：]?)\s?")
_AFTER_NAME: Final = frozenset("，,。.、；;：:()（） \n\t是在今于住家男女系为现来的我从身电联因由和与要，")
_ROOM_AFTER: Final = re.compile(r"(?:[0-9一二三四五六七八九十A-Z\-]{1,6}(?:号楼|号|栋|幢|座|单元|室|楼|层|组|队|弄|户|房)){1,6}+")
_ALNUM: Final = re.compile(r"[0-9A-Z](?:[ \t\u00a0\u3000\-‐-―._/·•,，、*|~()+]{0,2}+[0-9A-Z])*+")
_WORTH: Final = {HIGH: 0, MEDIUM: 1, LOW: 2}


class Redactor:
    """Redacts the texts of one case with one numbering of tokens. Not for use by two threads at once."""

    def __init__(self, entities: Entities, surnames: Surnames | None = None) -> None:
        """Without `surnames` people the case does not know are not looked for."""
        self._entities = entities
        self._surnames = surnames
        self._tokens: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._phrases = KnownForms(entities.phrases)
        self._numbers = KnownForms({number: (kind, identity, "number.known") for number, (kind, identity) in entities.numbers.items()})

    def text(self, text: str) -> str:
        """The redacted copy alone."""
        return self.redact(text).text

    def texts(self, texts: Sequence[str]) -> list[str]:
        """The redacted copies of several texts: those of `text` for one after the other, looked through in one go."""
        joined = PARTING.join(texts)
        if joined.count(PARTING) != len(texts) - 1:
            return [self.text(text) for text in texts]
        return self.redact(joined).text.split(PARTING)

    def redact(self, text: str) -> Redacted:
        """Redact one text in time linear in its length for a given case."""
        folded = fold(text)
        views = (folded, squeezed) if (squeezed := squeeze(folded)) else (folded,)
        hits = [(folded, hit) for hit in find(folded.text)]
        for view in views:
            hits.extend((view, hit) for hit in self._known(view))
        hits.extend((folded, hit) for hit in self._numbered(folded))
        hits.extend((folded, hit) for hit in self._titled(folded))
        if self._surnames is not None:
            hits.extend((folded, hit) for hit in self._introduced(folded.text, self._surnames))
        return self._replace(text, [(view.span(hit.start, hit.end), hit) for view, hit in hits])

    def _known(self, view: Folded) -> Iterator[Hit]:
        text = view.text
        for start, end, (kind, identity, rule) in self._phrases.find(text):
            more = _ROOM_AFTER.match(text, end) if kind == "地址" else None
            yield Hit(start, more.end() if more else end, kind, rule, HIGH, identity)

    def _numbered(self, view: Folded) -> Iterator[Hit]:
        """Known numbers through spacing, separators, letters and Chinese numerals, also short ones."""
        if not self._entities.numbers:
            return
        for found in _ALNUM.finditer(digits(view.text)):
            if len(found[0]) < 4:
                continue
            compact = "".join(character for character in found[0] if character.isalnum())
            places: list[int] | None = None
            for start, end, (kind, identity, rule) in self._numbers.find(compact):
                if places is None:
                    places = [found.start() + index for index, character in enumerate(found[0]) if character.isalnum()]
                yield Hit(places[start], places[end - 1] + 1, kind, rule, HIGH, identity)

    def _titled(self, view: Folded) -> Iterator[Hit]:
        """A surname with a title, 某 or crosses (张主任, 老张, 张某, 张××): known surnames, and sure ones of strangers."""
        known = self._entities.surnames
        text = view.text
        done = 0
        found = _TITLE.search(text, 1)
        while found is not None:
            # The title is looked for, then the one or two characters before it: a title begins at few characters, a name at any.
            title, end = found.span()
            start = title - 1
            if not _is_han(text[start]):
                found = _TITLE.search(text, title + 1)
                continue
            if start > done and _is_han(text[start - 1]):
                start -= 1
            name = text[start:title]
            for surname in (name, name[-1]):
                who = known.get(surname)
                sure = self._surnames is not None and (
                    surname in self._surnames.compound or (surname in self._surnames.single and surname not in self._surnames.doubtful)
                )
                if who is not None or sure:
                    start = title - len(surname)
                    yield Hit(start, end, "姓名", "name.title", MEDIUM if who else LOW, who or text[start:end])
                    break
            done = end
            found = _TITLE.search(text, done + 1)
        # Few surnames are looked for first: most texts call nobody by one.
        if len(known) <= _FEW and not any(surname in text for surname in known):
            return
        for found in _CALLED.finditer(text):
            start, end = found.span()
            before = found[0] in _BEFORE
            for length in (1, 2):
                surname = text[end : end + length] if before else text[max(0, start - length) : start]
                if len(surname) == length and (who := known.get(surname)) is not None:
                    first, last = (start, end + length) if before else (start - length, end)
                    yield Hit(first, last, "姓名", "name.familiar", MEDIUM, who)

    def _introduced(self, text: str, surnames: Surnames) -> Iterator[Hit]:
        """A name behind words that introduce one: 我叫…, 姓名：…."""
        for found in _CUE.finditer(text):
            rest = text[found.end() : found.end() + 4]
            if len(rest) < 2 or not (rest[:2] in surnames.compound or rest[0] in surnames.single):
                continue
            if rest[0] in surnames.doubtful and not found[0].startswith(_SURE):
                continue
            longest = 4 if rest[:2] in surnames.compound else 3
            length = next(
                (index for index in range(1, len(rest)) if rest[index] in _AFTER_NAME or not "一" <= rest[index] <= "龥"), len(rest)
            )
            if length >= 2:
                end = found.end() + min(length, longest)
                yield Hit(found.end(), end, "姓名", "name.cue", LOW, text[found.end() : end])

    def _replace(self, text: str, hits: Iterable[tuple[tuple[int, int], Hit]]) -> Redacted:
        """Join what overlaps and put one token for each; the surest, then the longest find names the whole."""
        ordered = sorted(hits, key=lambda one: one[0])
        if not ordered:
            return Redacted(text, ())
        pieces: list[str] = []
        spans: list[Span] = []
        done = 0
        index = 0
        while index < len(ordered):
            (start, end), best = ordered[index]
            rank = (_WORTH[best.confidence], start - end)
            index += 1
            while index < len(ordered) and (
                ordered[index][0][0] < end or self._same(text[end : ordered[index][0][0]], best, ordered[index][1])
            ):
                (first, last), other = ordered[index]
                if (_WORTH[other.confidence], first - last) < rank:
                    best, rank = other, (_WORTH[other.confidence], first - last)
                end = max(end, last)
                index += 1
            pieces += (text[done:start], self._token(best))
            spans.append(Span(best.type, best.rule, start, end, best.confidence))
            done = end
        pieces.append(text[done:])
        return Redacted("".join(pieces), tuple(spans))

    @staticmethod
    def _same(between: str, one: Hit, other: Hit) -> bool:
        """Two parts of one entity with nothing but a dot or a space between them."""
        return len(between) <= 1 and not between.strip(" ·•・-") and (one.type, one.value) == (other.type, other.value)

    def _token(self, hit: Hit) -> str:
        token = self._tokens.get((hit.type, hit.value))
        if token is None:
            number = self._counts[hit.type] = self._counts.get(hit.type, 0) + 1
            token = self._tokens[hit.type, hit.value] = f"〔{hit.type}{number}〕"
        return token


def _is_han(character: str) -> bool:
    return "一" <= character <= "龥"


def redact(text: str, entities: Entities, surnames: Surnames | None = None) -> Redacted:
    """Redact one text on its own numbering; `Redactor` keeps one numbering over the texts of a case."""
    return Redactor(entities, surnames).redact(text)
