#!/usr/bin/env python3
"""From a fresh clone to a running archive, and the whole test suite: the standard library of Python 3.11 is all it needs.

It makes `.venv`, installs exactly what `requirements-dev.lock` names (every file checked against its hash) and hands over.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
STAMP = VENV / ".petition-archive-installed"
LOCK, DEV_LOCK, BUILD_LOCK = "requirements.lock", "requirements-dev.lock", "requirements-build.lock"
PROJECTS = (ROOT / "pyproject.toml", ROOT / "sdk" / "pyproject.toml")
WHEELS, WHEEL_SITE = ROOT / "build" / "wheels", ROOT / "build" / "site"
CHECKERS = ROOT / "build" / "checkers"
PORT = 8700
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

GUIDE = """\
信访档案库：开发与演示入口 / petition archive: the way in

  第一次来 / new here
    python3 dev.py demo      在 ./var 建一个演示档案库并启动服务 http://127.0.0.1:8700；再次运行则沿用
                             make a demonstration archive in ./var and serve it; run again, it goes on with it
    python3 dev.py test      运行全部检查与测试（SQLite 与 PostgreSQL）
                             run every check and test, on SQLite and on PostgreSQL
    python3 dev.py doctor    看看这台机器缺什么、怎么补
                             what this machine lacks, what for, and how to get it

  改代码时 / while changing code
    python3 dev.py test tests/tlog -k proof    只跑一部分测试，参数交给 pytest / some tests only
    python3 dev.py lint                        格式、风格、类型、楼层 / format, style, types, floor plan
    python3 dev.py render                      重写由规则生成的文档页 / render the pages of docs/ that are made from the rules
    python3 dev.py lock                        依赖改动后重做锁文件 / remake the lock files after changing dependencies

  需要时间 / these take time
    python3 dev.py soak                        逐对步骤强杀进程，可中断后继续 / kills at every pair of steps; cut short, it goes on
    python3 dev.py soak --laws | --faults      定律与强杀样本 | 磁盘故障矩阵 / laws and samples of kills | a fault at each system call
    python3 dev.py bench                       测速，写入 docs/performance.md，几分钟一次做完 / measurements, minutes, in one go

第一次运行会建立 .venv 并安装依赖（约一两分钟）；之后锁文件不变就不再安装。
The first run makes .venv and installs (a minute or two); later runs install only when a lock file has changed.
"""


# Of `petition-archive demo`, shown before there is an environment that could be asked; a test holds that they are all here.
DEMO_OPTIONS = """\
演示库的选项 / options of the demonstration, handed on:
  --home FOLDER  数据目录 / folder of everything (default var)
  --port N       端口 / port (default 8700; 0: any free one)
  --cases N      生成多少件案卷 / how many cases (default 500)
  --seed N       案卷的种子 / seed of the cases (default 2026)
  --fresh        删除上次的演示库，重新建立 / delete the last demonstration and make a new one
  --once         建好即退出，不提供服务 / make it and end, without serving"""


class Stop(Exception):
    """Something a newcomer can mend; the text says how."""


def say(text: str) -> None:
    """Print a line at once, also when the output is a file."""
    print(text, flush=True)


def run(*command: str | Path, env: Mapping[str, str] | None = None) -> int:
    """Run a tool of the environment in the repository and return its exit status."""
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, env={**os.environ, **(env or {})})
    with suppress(KeyboardInterrupt):  # Ctrl-C has reached the tool too, which puts its things in order before it ends
        process.wait()
    return process.wait()


def rooms() -> tuple[str, ...]:
    """Return the packages the project consists of, as pyproject.toml lists them."""
    import tomllib  # noqa: PLC0415  not there before Python 3.11, which `bootstrap` refuses with a sentence

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages: list[str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return tuple(packages)


def bootstrap() -> None:
    """Make `.venv` hold exactly what the development lock names and the project itself, doing nothing when it already does."""
    if sys.version_info < (3, 11):  # noqa: UP036  whoever starts this with an older Python deserves a sentence, not a traceback
        raise Stop(f"需要 Python 3.11 或更新版本 / Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    wanted = _fingerprint()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted and (BIN / "python").exists():
        return
    # An environment's programs carry the path they were made at: one that was moved here, or whose Python is gone, is made anew.
    moved = STAMP.exists() and not STAMP.read_text(encoding="utf-8").startswith(f"{ROOT}\n")
    if moved or not (BIN / "python").exists():
        say("建立 .venv / making .venv …")
        # Started without a PATH, Python may not know its own name.
        python = sys.executable or shutil.which("python3") or "python3"
        made = subprocess.run([python, "-m", "venv", "--clear", str(VENV)], cwd=ROOT, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Stop(
                "无法建立虚拟环境 / could not make a virtual environment.\n"
                "  Debian, Ubuntu: apt-get install python3-venv\n" + (made.stdout + made.stderr).strip()
            )
    _install_locked()
    say("安装本项目 / installing the project itself …")
    _quiet([BIN / "python", "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "-e", ROOT, "-e", ROOT / "sdk"])
    STAMP.write_text(wanted, encoding="utf-8")


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in (ROOT / DEV_LOCK, *PROJECTS):
        digest.update(path.read_bytes())
    return f"{ROOT}\n{digest.hexdigest()}\n"


def _install_locked() -> None:
    lock = ROOT / DEV_LOCK
    total = sum(1 for line in lock.read_text(encoding="utf-8").splitlines() if line[:1].isalnum())
    say(f"安装 {total} 个依赖（逐个核对哈希） / installing {total} dependencies, each checked against its hash …")
    uv = shutil.which("uv")
    if uv:
        done = subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", str(BIN / "python"), "--require-hashes", "-r", str(lock)], cwd=ROOT, check=False
        )
        if done.returncode == 0:
            return
        say("uv 未能完成，改用 pip / uv could not; trying pip …")
    _quiet([BIN / "python", "-m", "pip", "install", "--no-input", "--require-hashes", "-r", lock], progress_of=total)


def _install_checkers() -> None:
    """Log checkers that others wrote, out of the environment's way. Without them their tests are counted as not run (an error in CI)."""
    if not CHECKERS.is_dir():
        flags = ("--quiet", "--no-deps", "--ignore-requires-python", "--require-hashes", "--target", CHECKERS)
        run(BIN / "python", "-m", "pip", "install", *flags, "-r", ROOT / "tests" / "tlog" / "checkers.lock")


def _quiet(command: Sequence[str | Path], *, progress_of: int = 0) -> None:
    """Run pip, showing how far it is instead of its log; the log is shown when it fails."""
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    log, seen = [], 0
    with process:
        for line in process.stdout or ():
            log.append(line)
            found = re.match(r"(?:Collecting|Requirement already satisfied:) ([^\s;=]+)", line)
            if progress_of and found:
                seen += 1
                if sys.stdout.isatty():
                    print(f"\r  {seen}/{progress_of} {found[1]:<40.40}", end="", flush=True)
                elif seen % 25 == 0:
                    say(f"  {seen}/{progress_of}")
    if progress_of and sys.stdout.isatty():
        print()
    if process.returncode != 0:
        raise Stop("安装失败 / the installation failed:\n" + "".join(log[-30:]))


def lint_steps() -> list[tuple[str, Callable[[], int]]]:
    """Return the checks that need no running code, by name."""
    return [
        ("ruff", lambda: run(BIN / "ruff", "check", ".")),
        ("format", lambda: run(BIN / "ruff", "format", "--check", ".")),
        ("mypy --strict", lambda: run(BIN / "mypy", *rooms(), "sdk/petition_archive_client", "tests", "dev.py")),
        ("floor plan", lambda: run(BIN / "lint-imports", "--no-cache")),
        ("Dockerfile", _hadolint),
    ]


def _hadolint() -> int:
    if not (BIN / "hadolint").exists():
        say("hadolint 没有这种机器的版本，未检查 / hadolint has no build for this machine: not checked")
        return int(IN_CI)
    return run(BIN / "hadolint", "Dockerfile")


def in_turn(steps: Sequence[tuple[str, Callable[[], int]]]) -> int:
    """Run every step, whatever the others came to, and say in the end what each came to."""
    outcome = []
    for name, step in steps:
        say(f"\n── {name} " + "─" * max(4, 90 - len(name)))
        began = time.monotonic()
        outcome.append((name, step(), time.monotonic() - began))
    say("")
    for name, status, seconds in outcome:
        say(f"  {'通过 passed' if status == 0 else '失败 FAILED'}  {name:<16} {seconds:6.1f} s")
    return int(any(status for _, status, _ in outcome))


def pytest(arguments: Sequence[str], *, jobs: int, wheel: bool = False) -> int:
    """Run pytest over the checkout, or over the built wheel with the checkout out of reach."""
    # One file's tests stay in one process: they share servers and databases of module scope.
    spread = ["-n", str(jobs), "--dist", "loadfile"] if jobs > 1 else []
    env = {"PYTHONSAFEPATH": "1"}
    if wheel:
        env |= {"PYTHONPATH": str(WHEEL_SITE), "ARCHIVE_TEST_SITE": str(WHEEL_SITE)}
    return run(BIN / "python", "-m", "pytest", *spread, *arguments, env=env)


def build_wheels() -> int:
    """Build both wheels, compare them with the rooms file by file, and lay them out for the tests to run on."""
    for directory in (WHEELS, WHEEL_SITE):
        shutil.rmtree(directory, ignore_errors=True)
    pip = (BIN / "python", "-m", "pip")
    _quiet([*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", WHEELS, ROOT, ROOT / "sdk"])
    wheels = sorted(WHEELS.glob("*.whl"))
    packed = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()}
    missing = [path for path in _room_files() if path not in packed]
    if missing:
        say("轮子里缺少文件 / missing from the wheel:\n  " + "\n  ".join(missing))
        return 1
    _quiet([*pip, "install", "--no-deps", "--no-index", "--target", WHEEL_SITE, *wheels])
    names = ", ".join((*rooms(), "petition_archive_client", "service.cli.main"))
    imported = run(BIN / "python", "-P", "-c", f"import {names}", env={"PYTHONPATH": str(WHEEL_SITE)})
    if imported == 0:
        say("  " + ", ".join(f"{wheel.name} {wheel.stat().st_size // 1024} KiB" for wheel in wheels))
    return imported


def _room_files() -> list[str]:
    """Return what the wheels must hold, named as in a wheel."""
    homes = [(ROOT, room) for room in rooms()] + [(ROOT / "sdk", "petition_archive_client")]
    found = [path.relative_to(home) for home, package in homes for path in (home / package).rglob("*") if path.is_file()]
    return sorted(
        path.as_posix() for path in found if "__pycache__" not in path.parts and not any(part.startswith(".") for part in path.parts)
    )


def demo(_: argparse.Namespace, rest: list[str]) -> int:
    """Hand over to the archive's own demonstration; it owns the terminal from here."""
    bootstrap()
    os.chdir(ROOT)
    program = str(BIN / "petition-archive")
    os.execv(program, [program, "demo", *rest])  # noqa: S606  no shell, a program of the environment just made


def test(options: argparse.Namespace, rest: list[str]) -> int:
    """Run everything, or what is named."""
    bootstrap()
    _install_checkers()
    if rest:
        return pytest(rest, jobs=1)
    steps = lint_steps()
    if options.wheel:
        steps.append(("wheel", build_wheels))
    steps.append(("pytest", lambda: pytest([], jobs=options.jobs, wheel=options.wheel)))
    return in_turn(steps)


def lint(_: argparse.Namespace, rest: list[str]) -> int:
    """Run the checks that need no running code."""
    _none(rest)
    bootstrap()
    return in_turn(lint_steps())


def lock(options: argparse.Namespace, rest: list[str]) -> int:
    """Remake the locks; none may name the host it was made from."""
    _none(rest)
    uv = shutil.which("uv") or shutil.which("uv", path=str(BIN))
    if uv is None:
        raise Stop("制作锁文件需要 uv / making the locks needs uv:  .venv/bin/python -m pip install uv")
    compile_ = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
    upgrade = ["--upgrade"] if options.upgrade else []
    # The tests run on the very versions the archive is deployed with, and the image is built by the backend the tests were.
    for made, sources in (
        (LOCK, ["pyproject.toml"]),
        (DEV_LOCK, ["-c", LOCK, "pyproject.toml", "sdk/pyproject.toml", "--group", "dev"]),
        (BUILD_LOCK, ["-c", DEV_LOCK, "--group", "build"]),
    ):
        say(f"{made} …")
        status = run(*compile_, *upgrade, *sources, "-o", made)
        if status != 0:
            return status
        if "://" in (ROOT / made).read_text(encoding="utf-8"):
            raise Stop(f"{made} 写有主机名，不可提交 / names a host and must not be committed")
    return 0


def soak(options: argparse.Namespace, rest: list[str]) -> int:
    """Kill at every pair of steps, some ten minutes on two cores; the progress is kept in build/, and a run cut short is gone on with."""
    bootstrap()
    if options.laws:
        return pytest(["-m", "soak or hypothesis", "--hypothesis-profile=soak", f"--rounds={options.rounds}", *rest], jobs=options.jobs)
    handed = [] if options.faults else ["--seed", str(options.seed), *["--fresh"][: options.fresh]]
    script = "faults.py" if options.faults else "soak.py"
    return run(BIN / "python", ROOT / "tests" / "crash" / script, "--jobs", str(options.jobs), *handed, *rest)


def bench(_: argparse.Namespace, rest: list[str]) -> int:
    """Measure, and write a table of docs/performance.md: `bench`, `bench log` or `bench growth`. Handed on: --rounds, --print, --folder."""
    bootstrap()
    return run(BIN / "python", "-m", f"bench.{rest.pop(0) if rest[:1] and rest[0].isalpha() else 'run'}", *rest)


def render(_: argparse.Namespace, rest: list[str]) -> int:
    """Render the pages of docs/ that are made from the rules; a change of policy then shows as a change of a page."""
    _none(rest)
    bootstrap()
    return run(BIN / "python", ROOT / "tests" / "support" / "rendered_pages.py")


def doctor(_: argparse.Namespace, rest: list[str]) -> int:
    """Say what this machine has and lacks, and what each thing is for."""
    _none(rest)
    postgres = shutil.which("initdb") or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    findings: list[tuple[bool, str, str]] = [
        (sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}", "3.11 或更新 / or newer"),
        (find_spec("ensurepip") is not None, "venv", "必需 / required; Debian: apt-get install python3-venv"),
        (STAMP.exists() and STAMP.read_text("utf-8") == _fingerprint(), ".venv", "没有或已过时，会自动安装 / none, or old: made as needed"),
        (_port_free(), f"127.0.0.1:{PORT}", "被占用，或许演示库正在运行 / in use, perhaps by a demonstration; for another: demo --port 0"),
        (bool(postgres), "PostgreSQL 服务器程序 / server binaries", "一半的测试需要 / half the tests; Debian: apt-get install postgresql"),
        *(
            (shutil.which(tool) is not None, tool, f"{purpose}; Debian: apt-get install {package}")
            for tool, package, purpose in (
                ("git", "git", "版本管理，文件检查 / version control, the checks over committed files"),
                ("strace", "strace", "磁盘故障试验 / fault injection in soak runs"),
                ("buildah", "buildah mmdebstrap", "不用引擎构建镜像 / building the image without an engine"),
            )
        ),
    ]
    for good, what, remark in findings:
        say(f"  {'有 ok  ' if good else '缺 --  '}{what}" + ("" if good else f"\n          {remark}"))
    ready = all(good for good, *_ in findings[:2])
    say("\n" + ("可以开始 / ready: python3 dev.py demo" if ready else "先补齐必需项 / get the required ones first"))
    return int(not ready)


def _port_free() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PORT)) != 0


def _none(rest: list[str]) -> None:
    if rest:
        raise Stop(f"不认识的参数 / unknown arguments: {' '.join(rest)}")


def main() -> int:
    """Read the command line and hand over; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="dev.py", description=GUIDE, formatter_class=argparse.RawDescriptionHelpFormatter, usage="%(prog)s COMMAND …"
    )
    commands = parser.add_subparsers(prog="dev.py", dest="command", metavar="COMMAND", title="命令 / commands")

    def command(act: Callable[[argparse.Namespace, list[str]], int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(act.__name__, help=text, description=act.__doc__)
        made.set_defaults(act=act)
        return made

    jobs = min(4, os.cpu_count() or 1)
    shown = command(demo, "演示 / a demonstration archive in ./var, served on 127.0.0.1:8700")
    shown.epilog, shown.formatter_class = DEMO_OPTIONS, argparse.RawDescriptionHelpFormatter
    tests = command(test, "全部检查与测试 / every check and test; with arguments: pytest alone")
    tests.add_argument("--jobs", type=int, default=jobs, help="同时运行的进程数 / processes of pytest (default %(default)s)")
    wheel = "在构建的轮子上测试 / test the built wheel (default in CI)"
    tests.add_argument("--wheel", action=argparse.BooleanOptionalAction, default=IN_CI, help=wheel)
    command(lint, "格式、风格、类型、楼层 / ruff, mypy, floor plan")
    locking = command(lock, "重做锁文件 / remake the lock files")
    locking.add_argument("--upgrade", action="store_true", help="取最新版本 / take newest versions")
    soaking = command(soak, "反复试验 / kills at every pair of steps; with --laws: laws and samples of kills")
    soaking.add_argument("--seed", type=int, default=0, help="种子，进度按种子分存 / seed; each keeps its progress (default %(default)s)")
    soaking.add_argument("--fresh", action="store_true", help="丢弃进度，从头再来 / forget the progress and begin anew")
    soaking.add_argument("--laws", action="store_true", help="改为定律与强杀样本 / laws and samples of kills instead")
    soaking.add_argument("--faults", action="store_true", help="改为磁盘故障矩阵 / faults at every system call of the log instead")
    soaking.add_argument("--rounds", type=int, default=20, help="与 --laws 同用：轮数 / with --laws: how often (default %(default)s)")
    soaking.add_argument("--jobs", type=int, default=jobs, help="同时运行的进程数 / processes (default %(default)s)")
    command(bench, "测速 / measurements")
    command(render, "重写由规则生成的文档页 / render the pages made from the rules")
    command(doctor, "检查这台机器 / what this machine has and lacks")
    options, rest = parser.parse_known_args()
    os.environ.setdefault("PATH", os.defpath)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return int(options.act(options, rest))
    except Stop as stop:
        print(f"\n{stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
