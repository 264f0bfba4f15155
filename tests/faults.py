"""What nnexp must survive, done to it: ``python tests/faults.py [--kills 100] [--commands 500]``.

Real processes and real faults, in a folder of their own below the system's temporary one; Linux
only. Prints what was done and what was found, and ends with status 1 if anything was found.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import filecmp
import functools
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from nnexp.process.threads import ONE_THREAD  # noqa: E402
from nnexp.rng import stream  # noqa: E402
from nnexp.store.record_files import DamagedRecord  # noqa: E402
from nnexp.store.store import Store  # noqa: E402
from tests.hostile import command_lines, in_a_process_of_its_own  # noqa: E402

# An initialiser that leaves a line for each training that begins.
COUNTED = """
import os
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LOG = FOLDER.with_name(f"{FOLDER.name}.log")


def _counted(name, weights):
    if len(weights) == 2:
        log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, f"{name} {weights[0, 0]!r}\\n".encode())
        os.close(log)
    return weights


def narrow(rng, fan_in, fan_out):
    return _counted("narrow", 0.1 * rng.standard_normal((fan_in, fan_out)))


def wide(rng, fan_in, fan_out):
    return _counted("wide", rng.standard_normal((fan_in, fan_out)))


def narrow_later(rng, fan_in, fan_out):
    time.sleep(0.15)
    return narrow(rng, fan_in, fan_out)


def wide_later(rng, fan_in, fan_out):
    time.sleep(0.15)
    return wide(rng, fan_in, fan_out)
"""
SEEDS, WIDTH = 12, 16
SWEEP = (
    "-m",
    "data=blobs",
    "data.n=2000",
    f"hidden={WIDTH}",
    "batch_size=20",
    "epochs=2",
    "init=counted.py:narrow,counted.py:wide",
    f"seed=range({SEEDS})",
)
# It takes so long that it is under way still when something has been done to it.
LONG_SWEEP = tuple(
    word.replace(":narrow", ":narrow_later").replace(":wide", ":wide_later") for word in SWEEP
)
# Columns that tell how long something took or where it came from, not what came of it.
TIMING = ("seconds", "started", "reused")


@dataclass
class Trial:
    """A kind of fault: how often it was done, and all that was found wrong."""

    name: str
    done: int = 0
    unit: str = ""
    found: list[str] = field(default_factory=list)

    def check(self, right: bool, wrong: str) -> None:
        """Note ``wrong`` unless all is right."""
        if not right:
            self.found.append(wrong)


class Place:
    """A folder in which commands are given, and what lies there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "counted.py").write_text(COUNTED)
        self.store = Store(folder / "results" / "runs")

    def start(self, *words: str, **settings: object) -> subprocess.Popen[str]:
        """Start a command in a session of its own; its output is kept for `end`."""
        paths = [str(ROOT), *filter(None, [settings.pop("path", "")])]
        return subprocess.Popen(
            [sys.executable, "-m", "nnexp", *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, reversed(paths)))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **settings,
        )

    def run(self, *words: str, **settings: object) -> tuple[int, str, str]:
        """Give a command; return its status and output."""
        return end(self.start(*words, **settings))

    def trainings(self) -> Counter[str]:
        """Return how often each run has begun training."""
        log = self.folder.with_name(f"{self.folder.name}.log")
        return Counter(log.read_text().splitlines() if log.is_file() else [])

    def records(self) -> dict[str, tuple[str, int, int]]:
        """Return the finished runs: what their training left in the log, inode, time written.

        Raises
        ------
        DamagedRecord
            If one is not whole.
        """
        found = {}
        for run_id in self.store.run_ids() if self.store.folder.is_dir() else []:
            record = self.store.read(run_id)
            if record is not None:
                status = (self.store.path(run_id) / "run.json").stat()
                found[run_id] = (_trace(record.columns), status.st_ino, status.st_mtime_ns)
        return found

    def tables(self) -> dict[str, list[str]]:
        """Return the lines of the tables of the last sweep, as far as there, without the timing."""
        last = max(self.folder.glob("results/sweeps/*/"), key=lambda p: p.stat().st_ctime_ns)
        return _tables(last)

    def leftovers(self) -> list[str]:
        """Return what is in the store besides records and locks."""
        known = {*self.store.run_ids(), ".locks"}
        return sorted(p.name for p in self.store.folder.iterdir() if p.name not in known)


def _trace(columns: Mapping[str, object]) -> str:
    """Return the line that a run's training leaves in the log."""
    name = str(columns["init"]).rpartition(":")[2].removesuffix("_later")
    seed = int(str(columns["seed"]))
    drawn = stream(seed, "weights", 0).standard_normal((2, WIDTH))[0, 0]
    return f"{name} {(0.1 * drawn if name == 'narrow' else drawn)!r}"


def _tables(folder: Path) -> dict[str, list[str]]:
    """Return the lines of the tables in a sweep's folder, as far as there, without the timing."""
    tables = {}
    for path in folder.glob("*.csv"):
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        rows = [row for row in rows if not any(cell.endswith(" by seconds") for cell in row)]
        kept = [i for i, name in enumerate(header) if not name.startswith(TIMING)]
        tables[path.name] = [",".join(row[i] for i in kept) for row in [header, *rows]]
    return tables


def session(leader: int) -> dict[int, str]:
    """Return the living processes of a session and their command lines."""
    living = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader and fields[0] != "Z":
                    living[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    return living


def end(process: subprocess.Popen[str], within: float = 300) -> tuple[int, str, str]:
    """Wait for a command; return its status and output, of which a hanging one has none."""
    try:
        out, err = process.communicate(timeout=within)
        return process.returncode, out, err
    except subprocess.TimeoutExpired:
        ended(process.pid, 0)
        process.communicate()
        return -1, "", "it hangs"


def ended(leader: int, within: float) -> bool:
    """Wait until no process of a session is left; tell whether that came about in time."""
    deadline = time.monotonic() + within
    while living := session(leader):
        if time.monotonic() > deadline:
            for pid in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.05)
    return True


@functools.cache
def undisturbed(folder: Path, sweep: Sequence[str] = SWEEP) -> tuple[dict[str, list[str]], float]:
    """Return the tables of a sweep that nothing befell, and the seconds it took; it runs once."""
    place, start = Place(folder), time.monotonic()
    status, _, err = place.run(*sweep)
    if status:
        raise RuntimeError(f"the undisturbed sweep ended with status {status}: {err}")
    return place.tables(), time.monotonic() - start


def kills(folder: Path, times: int, rng: np.random.Generator) -> Trial:
    """Kill driver or worker at random moments, each time followed by the same command again."""
    trial = Trial("SIGKILL of the driver or a worker, then the same command again", unit="kills")
    expected, seconds = undisturbed(folder.parent / "undisturbed")
    rounds = itertools.count()
    while trial.done < times:
        place = Place(folder / str(next(rounds)))
        in_a_row, ahead = 0, int(rng.integers(1, 4))
        # Some kills in a row, and then the command may go on to its end.
        while in_a_row <= ahead:
            where = f"{place.folder.name} after {in_a_row} kills"
            before, trained = place.records(), place.trainings()
            process, start = place.start(*SWEEP), time.monotonic()
            moment = rng.uniform(0.2, 1.0) * seconds
            killed = in_a_row < ahead and kill(process, place, moment, rng)
            status, _, err = end(process)
            trial.check(ended(process.pid, 3), f"{where}: processes outlive their driver")
            trial.check(killed or status == 0, f"{where}: status {status}: {err}")
            trial.check(whole_files(place.folder), f"{where}: a file is half written")
            after, trainings = place.records(), place.trainings()
            again = [run for run, was in before.items() if after.get(run) != was]
            again += [run for run, was in before.items() if trainings[was[0]] > trained[was[0]]]
            trial.check(not again, f"{where}: lost or trained again: {', '.join(again)}")
            if not killed:
                twice = [run for run in trainings if trainings[run] > trained[run] + 1]
                trial.check(not twice, f"{where}: trained twice in one sweep: {', '.join(twice)}")
            if status == 0:
                seconds = min(seconds, time.monotonic() - start)
                trial.check(place.tables() == expected, f"{where}: other tables")
                trial.check(not place.leftovers(), f"{where}: left over: {place.leftovers()}")
            trial.done += killed
            in_a_row += 1
        shutil.rmtree(place.folder)
    return trial


def kill(
    process: subprocess.Popen[str], place: Place, moment: float, rng: np.random.Generator
) -> bool:
    """Kill a driver or a worker after ``moment`` seconds, if it lives that long; return whether.

    Every third time it is the driver, and while it writes a record.
    """
    time.sleep(moment)
    victim, aimed = process.pid, rng.random() < 1 / 3
    if aimed:
        while process.poll() is None and not any(place.store.folder.glob(".new-*")):
            pass
    elif rng.random() < 0.5:
        workers = [pid for pid, line in session(process.pid).items() if "nnexp-worker" in line]
        victim = int(rng.choice(workers or [victim]))
    if process.poll() is not None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    return True


def whole_files(folder: Path) -> bool:
    """Tell whether every file of every sweep's folder, as far as there, has its end."""
    ends = {".csv": b"\n", ".html": b"</html>", ".svg": b"</svg>\n", ".png": b"IEND\xaeB`\x82"}
    ends[".json"] = b"]}\n"
    files = [p for p in folder.glob("results/sweeps/*/*") if not p.name.startswith(".")]
    return all(p.read_bytes().endswith(ends[p.suffix]) for p in files)


def refused_midway(trial: Trial, place: Place, outcome: tuple[int, str, str], what: str) -> None:
    """Check that a command failed with one sentence and left whole records alone."""
    status, _, err = outcome
    *progress, last = err.splitlines() or [""]
    trial.check(status != 0, f"{what}: status 0")
    quiet = all(" done, " in line or line.endswith(" runs to train") for line in progress)
    said = quiet and last.startswith("nnexp: cannot write ")
    trial.check(said, f"{what}: said {err!r}")
    place.records()


def resumed(
    trial: Trial,
    place: Place,
    expected: Mapping[str, list[str]],
    what: str,
    sweep: Sequence[str] = SWEEP,
) -> None:
    """Check that the same command, once it can, keeps what was finished and ends all right."""
    before, trained = place.records(), place.trainings()
    status, _, err = place.run(*sweep)
    trial.check(status == 0, f"{what}, mended: status {status}: {err}")
    trial.check(status == 0 and place.tables() == expected, f"{what}, mended: other tables")
    after, trainings = place.records(), place.trainings()
    again = [run for run, was in before.items() if after.get(run) != was]
    again += [run for run, was in before.items() if trainings[was[0]] > trained[was[0]]]
    trial.check(not again, f"{what}, mended: lost or trained again: {', '.join(again)}")


def full_disk(folder: Path, disks: int) -> Trial:
    """Run out of room at several points of a sweep: on a small disk of its own, and by a limit."""
    trial = Trial("a full disk", unit="sweeps")
    expected, _ = undisturbed(folder.parent / "undisturbed")
    records = folder.parent / "undisturbed" / "results" / "runs"
    used = sum(-(-p.stat().st_size // 4096) * 4096 for p in records.glob("*/*"))
    for share in (0.6, 0.02, 0.95, 0.3, 1.3)[:disks]:
        what = f"room for {share:.0%} of the records"
        disk = folder / what
        disk.mkdir(parents=True)
        with mounted(disk, "-t", "tmpfs", "-o", f"size={int(share * used)}", "nnexp") as small:
            if not small:
                trial.name += " (without one of its own, which root alone may mount)"
                break
            place = Place(disk)
            refused_midway(trial, place, place.run(*SWEEP), what)
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            resumed(trial, place, expected, what)
        trial.done += 1
    for largest in (2_000, 20_000)[:disks]:
        what = f"no file beyond {largest} bytes"
        place = Place(folder / what)
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest, largest))
        refused_midway(trial, place, place.run(*SWEEP, preexec_fn=limit), what)
        resumed(trial, place, expected, what)
        trial.done += 1
    return trial


def read_only(folder: Path, times: int) -> Trial:
    """Let the store turn read-only in the middle of a sweep."""
    trial = Trial("a store that turns read-only in mid-sweep", unit="sweeps")
    expected, _ = undisturbed(folder.parent / "undisturbed, long", LONG_SWEEP)
    for count in (12, 1, 6)[:times]:
        what = f"read-only after {count} records"
        place = Place(folder / what)
        process = place.start(*LONG_SWEEP)
        while process.poll() is None and len(list(place.store.folder.glob("[!.]*"))) < count:
            time.sleep(0.01)
        with unwritable(place.store.folder) as done:
            outcome = end(process)
            if not done:
                trial.name += ": left out, as it needs a user who may mount, or one who is not root"
                return trial
            refused_midway(trial, place, outcome, what)
        resumed(trial, place, expected, what, LONG_SWEEP)
        trial.done += 1
    return trial


@contextlib.contextmanager
def unwritable(folder: Path) -> Iterator[bool]:
    """Make ``folder`` read-only for a while: by a mount, or by its mode, which root disregards.

    A folder in which a file is open for writing cannot be mounted anew as read-only; but a
    read-only view of it, in which no file is open, can be laid over it at any moment.
    """
    view = folder.with_name("view")
    view.mkdir()
    with mounted(view, "--bind", str(folder)) as bound:
        if bound:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(view)], check=True)
            with mounted(folder, "--bind", str(view)) as laid:
                yield laid
        else:
            folder.chmod(0o555)
            try:
                yield os.geteuid() != 0
            finally:
                folder.chmod(0o755)


@contextlib.contextmanager
def mounted(folder: Path, *words: str) -> Iterator[bool]:
    """Mount something on ``folder``, if that is allowed; yield whether it was."""
    command = ["mount", *words, str(folder)]
    mount = shutil.which("mount") and os.geteuid() == 0
    allowed = bool(mount) and not subprocess.run(command, capture_output=True).returncode
    try:
        yield allowed
    finally:
        if allowed:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def power_cut(folder: Path, cuts: int, rng: np.random.Generator) -> Trial:
    """Cut the power: when a sweep has ended, and while one replaces all of its records.

    What is on a disk then is what its image holds: a copy of it is mounted and looked at.
    """
    trial = Trial("the power is cut", unit="cuts")
    expected, seconds = undisturbed(folder.parent / "undisturbed")
    image, disk = folder / "image", folder / "disk"
    disk.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(96 * 2**20)
    made = shutil.which("mkfs.ext4") and not subprocess.run(["mkfs.ext4", "-q", image]).returncode
    with mounted(disk, "-o", "loop", str(image)) if made else contextlib.nullcontext() as done:
        if not done:
            trial.name += ": left out, as it needs mkfs.ext4 and a user who may mount"
            return trial
        place = Place(disk)
        status, _, err = place.run(*SWEEP)
        trial.check(status == 0, f"status {status}: {err}")
        old = after_cut(trial, image, expected, "after the sweep")
        trial.check(len(old) == 2 * SEEDS, f"{len(old)} of {2 * SEEDS} records are left")
        process = None
        for number in range(cuts):
            if process is None or process.poll() is not None:
                process = place.start(*SWEEP, "force=true")
            time.sleep(float(rng.uniform(0.05, 0.5)) * seconds)
            left = after_cut(trial, image, None, f"cut {number}", stopped=process.pid)
            lost = old.keys() - left.keys()
            trial.check(not lost, f"cut {number}: lost {', '.join(lost)}")
        if process is not None:
            end(process)
        status, _, err = place.run(*SWEEP, "force=true")
        trial.check(status == 0, f"force=true: status {status}: {err}")
        new = after_cut(trial, image, expected, "after force=true")
        same = [run_id for run_id, was in old.items() if new.get(run_id) in (was, None)]
        trial.check(not same, f"not replaced: {', '.join(same)}")
    return trial


def after_cut(
    trial: Trial,
    image: Path,
    expected: Mapping[str, list[str]] | None,
    what: str,
    stopped: int | None = None,
) -> dict[str, float]:
    """Return the seconds of the runs that a copy of a disk has; all is checked to be whole.

    The processes of the session ``stopped`` stand still meanwhile, so that a copy is of a moment.
    """
    copy, view = image.with_name("copy"), image.with_name("view")
    view.mkdir(exist_ok=True)
    processes = session(stopped) if stopped else {}
    signal_all(processes, signal.SIGSTOP)
    shutil.copyfile(image, copy)
    while not filecmp.cmp(image, copy, shallow=False):  # written to meanwhile, by the kernel
        shutil.copyfile(image, copy)
    signal_all(processes, signal.SIGCONT)
    trial.done += 1
    seconds = {}
    with mounted(view, "-o", "loop", str(copy)) as done:
        trial.check(done, f"{what}: the copy cannot be mounted")
        place = Place(view)
        for run_id in {*place.store.run_ids(), *place.store.interrupted_writes()}:
            try:
                if place.store.path(run_id).exists():
                    place.store.load(run_id)
                lock = place.store.lock(run_id)  # which puts back what was aside
                assert lock is not None
                lock.release()
                seconds[run_id] = place.store.load(run_id).seconds
            except DamagedRecord as error:
                trial.check(False, f"{what}: {error}")
        if expected is not None:
            trial.check(whole_files(view), f"{what}: a file is half written")
            trial.check(place.tables() == expected, f"{what}: other tables")
    return seconds


def signal_all(processes: Mapping[int, str], number: int) -> None:
    """Send a signal to processes, those that are gone left out."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def at_once(folder: Path, sweeps: int) -> Trial:
    """Start the same sweep many times at once over one store."""
    trial = Trial(f"{sweeps} sweeps started at once on one store", unit="sweeps")
    expected, _ = undisturbed(folder.parent / "undisturbed")
    place = Place(folder / "shared")
    processes = [place.start(*SWEEP, f"hydra.sweep.dir=results/sweeps/{i}") for i in range(sweeps)]
    for i, process in enumerate(processes):
        status, _, err = end(process, 600)
        trial.check(status == 0, f"sweep {i}: status {status}: {err}")
        trial.done += 1
        if status == 0:
            folder = place.folder / "results/sweeps" / str(i)
            trial.check(_tables(folder) == expected, f"sweep {i}: other tables")
    twice = [run for run, count in place.trainings().items() if count > 1]
    trial.check(not twice, f"trained more than once: {len(twice)} runs")
    trial.check(len(place.trainings()) == 2 * SEEDS, "not every run was trained")
    trial.check(not place.leftovers(), f"left over: {place.leftovers()}")
    return trial


# Imported by every process at its start: each look at the clock finds it an hour earlier.
BACKWARDS = """
import time

now, looks = time.time(), iter(range(10**9))
time.time = lambda: now - 3600 * next(looks)
time.time_ns = lambda: int(time.time() * 1e9)
"""


def clock(folder: Path) -> Trial:
    """Let the clock run backwards, and find records from the future."""
    trial = Trial("a clock that goes backwards, records from the future", unit="sweeps")
    expected, _ = undisturbed(folder.parent / "undisturbed")
    place = Place(folder / "backwards")
    (folder / "clock").mkdir()
    (folder / "clock" / "sitecustomize.py").write_text(BACKWARDS)
    for words in ((*SWEEP[:-1], "seed=0,1,2"), SWEEP):
        status, _, err = place.run(*words, path=folder / "clock")
        trial.check(status == 0, f"status {status}: {err}")
        trial.done += 1
        future = time.time() + 365 * 86400
        for path in place.store.folder.rglob("*"):
            os.utime(path, (future, future))
    trial.check(place.tables() == expected, "other tables")
    trial.check(max(place.trainings().values()) == 1, "a run was trained twice")
    resumed(trial, place, expected, "once more, by the right clock")
    return trial


def hostile(folder: Path, times: int, rng: np.random.Generator) -> Trial:
    """Give random hostile command lines: a valid run, or one sentence and status 2."""
    trial = Trial("hostile command lines", unit="commands")
    outcomes: Counter[int] = Counter()
    for number, words in enumerate(command_lines(rng, times)):
        work = folder / str(number) / "a" / "b" / "c"
        work.mkdir(parents=True)
        status, err, outside = in_a_process_of_its_own(work, words)
        outcomes[status] += 1
        trial.done += 1
        wrong = []
        if status == 2:
            lines = err.splitlines()
            one = len(lines) == 1 and lines[0].startswith("nnexp: ") and len(lines[0]) < 2000
            wrong += [] if one else [f"said {err[-3000:]!r}"]
            wrong += ["wrote something"] if any(work.iterdir()) else []
        elif status != 0:
            wrong += [f"status {status}: {err[-3000:]}"]
        wrong += ["a traceback"] if "Traceback" in err else []
        wrong += [f"wrote {path}" for path in outside]
        shown = " ".join(w if len(w) < 200 else f"{w[:100]}…{w[-20:]}" for w in map(ascii, words))
        trial.check(not wrong, f"{shown}: {'; '.join(wrong)}")
        if os.environ.get("SHOW"):
            print(status, shown, "->", err[:300])
        shutil.rmtree(folder / str(number))
    trial.unit += f" ({outcomes[2]} refused, {outcomes[0]} valid)"
    return trial


def main() -> int:
    """Do all of it and print what was found."""
    faults: dict[str, Callable[[Path], Trial]] = {
        "kills": lambda folder: kills(folder, arguments.kills, rng),
        "full_disk": lambda folder: full_disk(folder, arguments.disks),
        "read_only": lambda folder: read_only(folder, arguments.turns),
        "power_cut": lambda folder: power_cut(folder, arguments.cuts, rng),
        "at_once": lambda folder: at_once(folder, arguments.sweeps),
        "clock": clock,
        "hostile": lambda folder: hostile(folder, arguments.commands, rng),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--disks", type=int, default=5, help="small ones, of as many sizes")
    parser.add_argument("--turns", type=int, default=3, help="of the store to read-only")
    parser.add_argument("--cuts", type=int, default=20, help="of the power, in mid-sweep")
    parser.add_argument("--commands", type=int, default=500)
    parser.add_argument("--sweeps", type=int, default=10, help="started at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=faults, help="these faults")
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    rng = np.random.default_rng(arguments.seed)
    trials = []
    with tempfile.TemporaryDirectory(prefix="nnexp-faults-") as folder:
        os.environ["MPLCONFIGDIR"] = str(Path(folder) / "matplotlib")
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "matplotlib")
        for name, inflict in faults.items():
            if arguments.only is None or name in arguments.only:
                start = time.monotonic()
                try:
                    trial = inflict(Path(folder) / name)
                except DamagedRecord as error:
                    trial = Trial(name, found=[str(error)])
                trials.append(trial)
                done = f"{trial.done} {trial.unit}, {time.monotonic() - start:.0f} s"
                print(f"{trial.name:<64} {done:<50} {len(trial.found)} found", flush=True)
                for wrong in trial.found:
                    print(f"  {wrong}", flush=True)
    return int(any(trial.found for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
