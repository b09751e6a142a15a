"""What can be wrong with a record: every rule's text in Chinese and English, and the bounded collection of faults.

A fault names the place, the rule and the field's label; the value it is about never enters one, nor does a key the depositor made up,
for a key can be a value in the wrong place.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from foundation.errors import Fault, InvalidInput

MOST_FAULTS: Final = 200
"""An answer of more helps nobody; the last fault then says that there are more."""

RULES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "type": ("{label_zh}应为{want_zh}。", "{label_en} must be {want_en}."),
        "required": (
            "缺少{label_zh}。来源未提供的，须在 provenance 中注明 unknown。",
            "{label_en} is missing. If the source does not tell, provenance must say unknown.",
        ),
        "required-always": ("缺少{label_zh}，此项不可为空。", "{label_en} is missing and cannot be unknown."),
        "unknown-field": (
            "第 {number} 个键不是此处的字段{hint_zh}；只接收与诉求直接相关的字段。",
            "Key number {number} is no field here{hint_en}; only what the petition needs is collected.",
        ),
        "over-collected": ("{label_zh}超出必要范围，不予收集。", "{label_en} goes beyond what is necessary and is not collected."),
        "made-by-archive": ("{label_zh}由档案系统生成，不得报送。", "{label_en} is made by the archive and refused on input."),
        "too-long": ("{label_zh}超过 {limit} 个字符。", "{label_en} is longer than {limit} characters."),
        "too-many-items": ("{label_zh}超过 {limit} 项。", "{label_en} has more than {limit} items."),
        "duplicate-item": ("{label_zh}有重复项。", "{label_en} names something twice."),
        "nul": ("{label_zh}含有空字符（U+0000）。", "{label_en} contains NUL (U+0000)."),
        "control-character": ("{label_zh}含有控制字符。", "{label_en} contains a control character."),
        "line-break": ("{label_zh}只能是一行。", "{label_en} must be one line."),
        "lone-surrogate": ("{label_zh}含有不成对的代理码位。", "{label_en} contains a lone surrogate."),
        "bidi-control": ("{label_zh}含有双向文字控制符。", "{label_en} contains a bidirectional control."),
        "invisible-character": ("{label_zh}含有不可见字符。", "{label_en} contains an invisible character."),
        "noncharacter": ("{label_zh}含有非字符码位。", "{label_en} contains a noncharacter."),
        "private-use": ("{label_zh}含有专用区字符，代码中不允许。", "{label_en} contains a private-use character, which a code may not."),
        "space": ("{label_zh}中不得有空格。", "{label_en} may not contain spaces."),
        "format": ("{label_zh}应为{want_zh}。", "{label_en} must be {want_en}."),
        "code": ("{label_zh}不在代码表“{list_zh}”中。", '{label_en} is not in the code list "{list_en}".'),
        "range": ("{label_zh}应在 {minimum} 与 {maximum} 之间。", "{label_en} must be between {minimum} and {maximum}."),
        "future": ("{label_zh}晚于今天。", "{label_en} lies in the future."),
        "state-secret": (
            "{label_zh}带有国家秘密标志。涉密材料不得归入本系统，请按保密规定处理。",
            "{label_en} bears a state-secret marking. Such material does not belong here; handle it by the secrecy rules.",
        ),
        "extra-not-permitted": (
            "第 {number} 个采集项未经本全宗规则列明项目及法律依据，不予接收。",
            "Item number {number} is refused: the fonds' rulebook does not name it with its legal basis.",
        ),
        "provenance-path": ("第 {number} 个键不是字段路径{hint_zh}。", "Key number {number} is no field path{hint_en}."),
        "provenance-code": (
            "第 {number} 个键的值应为 given、derived 或 unknown。",
            "The value of key number {number} must be given, derived or unknown.",
        ),
        "provenance-contradicts": (
            "{label_zh}的来源说明与其值矛盾。",
            "What provenance says of {label_en} contradicts its value.",
        ),
        "too-much-to-redact": (
            "要遮蔽的文字，连同要在其中查找的姓名、号码、地址，共超过 {limit} 个字符。",
            "The texts to redact, and the names, numbers and addresses to look for in them, exceed {limit} characters.",
        ),
        "too-many-faults": ("问题超过 {limit} 处，其余未列。", "More than {limit} faults; the rest are not listed."),
    }
)

WANTED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "object": ("对象", "an object"),
        "array": ("数组", "an array"),
        "string": ("文字", "a string"),
        "strings": ("文字的数组", "an array of strings"),
        "integer": ("整数", "an integer"),
        "bool": ("true 或 false", "true or false"),
        "date": ("日期（YYYY-MM-DD）", "a date (YYYY-MM-DD)"),
        "datetime": (
            "时间（YYYY-MM-DDTHH:MM:SS，可带时区，不带按北京时间）",
            "a time (YYYY-MM-DDTHH:MM:SS with an optional zone; Asia/Shanghai without)",
        ),
        "dated-texts": ("由 date 和 text 组成的对象的数组", "an array of objects with date and text"),
        "scalar": ("文字、整数或 true/false", "a string, an integer, true or false"),
        "sha256": ("64 位小写十六进制摘要", "64 lower-case hexadecimal digits"),
    }
)


class Faults:
    """Collects faults up to a limit; `full` tells a reader to stop looking."""

    __slots__ = ("_faults", "count", "full")

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self.count = 0
        self.full = False

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, path: str, rule: str, **params: str | int) -> None:
        """Add a fault under a rule of `RULES`; `params` are labels, limits and numbers from the rulebook, never input."""
        zh, en = RULES[rule]
        self.put(Fault(path, rule, zh.format_map(params), en.format_map(params)))

    def put(self, fault: Fault) -> None:
        """Add a ready fault."""
        if self.full:
            return
        if len(self._faults) >= MOST_FAULTS:
            zh, en = RULES["too-many-faults"]
            fault = Fault("", "too-many-faults", zh.format(limit=MOST_FAULTS), en.format(limit=MOST_FAULTS))
            self.full = True
        self._faults.append(fault)
        self.count = len(self._faults)

    def under(self, prefix: str) -> bool:
        """Whether a fault was found at a path that begins so."""
        return any(fault.path.startswith(prefix) for fault in self._faults)

    def error(self) -> InvalidInput:
        """The answer that carries every fault found."""
        return InvalidInput(self._faults)
