"""How the page of the API looks: ink on paper, light and dark, wide and narrow; and the policy that lets this style through alone."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --paper: #f7f5f0; --surface: #ffffff; --sunken: #f1eee7; --line: #e2ddd2; --line-strong: #c9c2b3;
  --ink: #1d2226; --ink-2: #4d565e; --ink-3: #666e76; --act: #1c5a8c; --act-soft: #e6eff6; --mask-ink: #5b5348; --mask-bg: #efeae0;
  --serif: "Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", STSong, Georgia, serif;
  --sans: "Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif;
  --mono: "JetBrains Mono", "Sarasa Mono SC", ui-monospace, "Noto Sans Mono CJK SC", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --surface: #1b1f23; --sunken: #171a1e; --line: #2b3137; --line-strong: #434b53;
    --ink: #e9e6df; --ink-2: #b9bcbd; --ink-3: #979da2; --act: #82b6e3; --act-soft: #1c2b38; --mask-ink: #c9c0b0; --mask-bg: #26282a;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 16px; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.65 var(--sans); overflow-wrap: anywhere; }
h1, h2 { font-family: var(--serif); font-weight: 600; line-height: 1.35; }
h1 { font-size: 26px; margin: 0 0 12px; } h2 { font-size: 20px; margin: 48px 0 12px; } h3 { font: inherit; font-weight: 600; margin: 0; }
h2 [lang=en], h3 [lang=en] { font-family: var(--sans); font-weight: 400; }
p { margin: 0 0 8px; } a { color: var(--act); text-underline-offset: 3px; }
:focus-visible { outline: 2px solid var(--act); outline-offset: 2px; border-radius: 2px; }
code { font: .9em var(--mono); color: var(--mask-ink); background: var(--mask-bg); border-radius: 3px; padding: 1px 5px; }
[lang=en] { color: var(--ink-3); font-size: 14px; }
.frame { display: grid; grid-template-columns: 224px minmax(0, 1fr); max-width: 1180px; margin: 0 auto; }
nav { padding: 32px 16px; font-size: 14px; position: sticky; top: 0; align-self: start; max-height: 100vh; overflow: auto; }
nav a { display: flex; justify-content: space-between; gap: 8px; padding: 5px 12px; border-radius: 4px; color: var(--ink-2);
  text-decoration: none; }
nav a:hover { background: var(--sunken); color: var(--ink); } nav small { color: var(--ink-3); font-variant-numeric: tabular-nums; }
main { padding: 32px 32px 96px; min-width: 0; }
.lead { max-width: 44em; } .lead p { color: var(--ink-2); } .lead p[lang=en] { color: var(--ink-3); } .lead code { white-space: nowrap; }
article { background: var(--surface); border: 1px solid var(--line); border-radius: 8px; padding: 16px 20px; margin: 0 0 12px; }
article > p { max-width: 48em; margin: 6px 0 0; }
article:target { border-color: var(--act); }
.call { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; margin-bottom: 6px; }
.call code { background: none; padding: 0; color: var(--ink); font-size: 14px; }
.call a { color: inherit; text-decoration: none; } .call a:hover { text-decoration: underline; }
.call b { color: var(--act); font-weight: 600; } .open { border: 1px solid var(--line-strong); border-radius: 999px; padding: 0 9px;
  font-size: 12.5px; line-height: 20px; color: var(--ink-2); }
details { margin-top: 10px; border-top: 1px solid var(--line); padding-top: 8px; font-size: 14px; }
summary { cursor: pointer; color: var(--act); width: fit-content; }
dl { margin: 8px 0 0; display: grid; grid-template-columns: minmax(150px, 30%) minmax(0, 1fr); }
dt, dd { margin: 0; padding: 7px 0; border-top: 1px solid var(--line); } dl > dt:first-of-type, dl > dd:first-of-type { border-top: 0; }
dt { padding-right: 16px; } dt small { display: block; color: var(--ink-3); font-size: 12.5px; }
dt em { font-style: normal; color: var(--ink); }
.codes { display: block; margin-top: 4px; color: var(--ink-2); font-size: 13px; } .codes span { margin-right: 10px; }
.answers { color: var(--ink-3); font-size: 13px; font-variant-numeric: tabular-nums; word-spacing: 4px; }
@media (max-width: 760px) {
  .frame { display: block; } nav { position: static; max-height: none; padding: 12px 16px; border-bottom: 1px solid var(--line);
    background: var(--sunken); display: flex; flex-wrap: wrap; } nav a { padding: 3px 10px; }
  main { padding: 20px 16px 64px; } h1 { font-size: 23px; } h2 { margin-top: 36px; } article { padding: 14px 16px; }
  dl { display: block; } dd { border-top: 0; padding-top: 0; } dt { padding-bottom: 2px; }
  dt small { display: inline; margin-left: 8px; }
}
@media print { nav { display: none; } .frame { display: block; } body { background: #fff; } article { break-inside: avoid; } }
"""
_HASH: Final = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""As of every answer, and this one style by its digest: an injected one would not be applied."""
