# SPDX-License-Identifier: MIT
"""The sides: how each is built, run in slices, served and counted."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(HERE)
BUILD = os.path.join(ROOT, "build", "bench")
FLAGS = ["-O2", "-pthread"]
SPIN_NS = "50000"
REGISTRY = "/usr/share/cargo/registry"          # Debian's crates


class Problem(Exception):
    pass


def say(text):
    """Progress: on a terminal one line that is overwritten."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K" + text[:shutil.get_terminal_size().columns - 1])
    elif text:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()


def warn(text):
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    print("bench: " + text, file=sys.stderr)


def cpus():
    """For what is measured, and for who loads it (the same one if there is no other)."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[-1]


def pinned(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


def output_of(command, cpu=None, env=None, cwd=None):
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                          preexec_fn=pinned(cpu) if cpu is not None else None)
    if done.returncode:
        raise Problem("%s: exit status %d\n%s" % (" ".join(command), done.returncode, done.stderr[-2000:]))
    return done.stdout + done.stderr


# ------------------------------------------------------------------------------------------ building

def compiler():
    return os.environ.get("CC", "cc")


def sources():
    """What a change of builds anew."""
    found = hashlib.sha256()
    for directory in (ROOT, HERE, os.path.join(HERE, "tokio"), os.path.join(ROOT, "examples")):
        for name in sorted(os.listdir(directory)):
            if name.endswith((".h", ".c", ".cpp", ".rs", ".go", ".toml")):
                with open(os.path.join(directory, name), "rb") as f:
                    found.update(f.read())
    return found.hexdigest()


def build(name, command, **how):
    """Runs a command that makes build/bench/NAME ("{}" in it), unless it has been made of these sources."""
    output, key = os.path.join(BUILD, name), os.path.join(BUILD, name + ".key")
    command = [word.replace("{}", output) for word in command]
    made_of = " ".join(command) + sources()
    if os.path.exists(output) and os.path.exists(key) and open(key).read() == made_of:
        return output
    say("building " + name)
    output_of(command, **how)
    with open(key, "w") as f:
        f.write(made_of)
    return output


def compile_c(name, source, *more):
    return build(name, [compiler()] + FLAGS + ["-o", "{}", source] + list(more))


def has_header(header, language="c"):
    test = subprocess.run([compiler(), "-x", language, "-E", "-"], input="#include <%s>\n" % header, text=True,
                          capture_output=True)
    return test.returncode == 0


def build_tokio():
    directory = os.path.join(BUILD, "tokio-build")
    shutil.copytree(os.path.join(HERE, "tokio"), directory, dirs_exist_ok=True)
    cargo = ["cargo", "build", "--quiet", "--offline", "--release", "--target-dir", "target",
             "--config", "source.crates-io.replace-with='debian'",
             "--config", "source.debian.directory='%s'" % REGISTRY]
    return build("tokio", ["sh", "-c", " ".join('"%s"' % word for word in cargo) + " && cp target/release/tokio {}"],
                 cwd=directory)


def build_go():
    env = dict(os.environ, GO111MODULE="off", GOCACHE=os.path.join(BUILD, "go-build"), GOFLAGS="", GOTOOLCHAIN="local")
    return build("go", ["go", "build", "-o", "{}", os.path.join(HERE, "go.go")], env=env)


# Peer: the Debian packages; whether they are there; how its driver is built.
PEERS = {
    "libuv": (["libuv1-dev"], lambda: has_header("uv.h"),
              lambda: compile_c("libuv", os.path.join(HERE, "libuv.c"), "-luv")),
    "libev": (["libev-dev"], lambda: has_header("ev.h"),
              lambda: compile_c("libev", os.path.join(HERE, "libev.c"), "-lev")),
    "libevent": (["libevent-dev"], lambda: has_header("event2/event.h"),
                 lambda: compile_c("libevent", os.path.join(HERE, "libevent.c"), "-levent_core", "-levent_pthreads")),
    "asio": (["libasio-dev", "g++"], lambda: shutil.which("c++") and has_header("asio.hpp", "c++"),
             lambda: build("asio", ["c++", "-std=c++20"] + FLAGS + ["-o", "{}", os.path.join(HERE, "asio.cpp")])),
    "tokio": (["librust-tokio-dev", "cargo", "rustc"],
              lambda: shutil.which("cargo") and any(n.startswith("tokio-1") for n in os.listdir(REGISTRY)
                                                    if os.path.isdir(REGISTRY)), build_tokio),
    "go": (["golang-go"], lambda: shutil.which("go"), build_go),
}


class Side:
    """Ours, the floor or a peer."""

    def __init__(self, name, driver, echo, spins=None):
        self.name, self.driver, self.echo = name, driver, echo
        self.spins = spins or echo
        self.workloads = output_of([driver, "--list"]).split()


def build_sides(wanted):
    def source(name):
        return os.path.join(HERE, name)

    os.makedirs(BUILD, exist_ok=True)
    example = os.path.join(ROOT, "examples", "echo.c")
    echo, floor = compile_c("echo", example), compile_c("echo_floor", source("echo_floor.c"))
    spinning = ["env", "BENCH_SPIN_NS=" + SPIN_NS, compile_c("echo_spin", source("echo_spin.c")), "127.0.0.1:0"]
    sides = [Side("ours", compile_c("exec", source("exec.c")), [echo, "127.0.0.1:0"], spinning),
             Side("floor", compile_c("floor", source("floor.c")), [floor, "0"], [floor, "0", SPIN_NS])]
    for name, (packages, there, make) in PEERS.items():
        if wanted and name not in wanted:
            continue
        try:
            if there():
                driver = make()
                sides.append(Side(name, driver, [driver, "echo", "0"]))
                continue
        except FileNotFoundError:
            pass
        warn("%s is missing and left out (bench/run --install, or: apt-get install %s)" % (name, " ".join(packages)))
    return sides


# ------------------------------------------------------------------------------------------- running

class Server:
    """An echo server on loopback, ended by its process id."""

    def __init__(self, command, before=(), env=None):
        self.process = subprocess.Popen(list(before) + command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True, env=env, preexec_fn=pinned(cpus()[0]))
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.process.kill()
            raise Problem("%s did not start: %s" % (" ".join(command), self.process.communicate()[1][-2000:]))
        self.port = line.split(":")[-1].strip()
        self.traced = bool(before) and before[0] == "strace"

    def pid(self):
        """Who strace started: a signal to strace itself would only detach it."""
        if not self.traced:
            return self.process.pid
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
            return int(f.read().split()[0])

    def stop(self):
        """What it wrote to stderr."""
        try:
            os.kill(self.pid(), signal.SIGTERM)
        except (IndexError, OSError):
            pass
        try:
            return self.process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[1]

    def env(self):
        return dict(os.environ, BENCH_PORT=self.port)


class Slices:
    """A driver (or the client of a server) that runs slices of a workload, one at each request."""

    def __init__(self, side, workload, slice_ms):
        self.server, self.process = None, None
        env, command, cpu = dict(os.environ), side.driver, cpus()[0]
        if workload.startswith("echo"):
            self.server = Server(side.spins if workload.startswith("echo-spin") else side.echo)
            env, command, cpu = self.server.env(), client(), cpus()[1]
        env["BENCH_OTHER_CPU"] = str(cpus()[1])
        self.process = subprocess.Popen([command, workload, str(slice_ms)], stdin=subprocess.PIPE, env=env,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=pinned(cpu))
        self.name = "%s of %s" % (workload, side.name)
        try:
            self.answer()
        except Problem:
            self.close()
            raise

    def answer(self):
        """The lines up to an empty one, as {metric: value}."""
        figures = {}
        for line in self.process.stdout:
            if line == "\n":
                return figures
            _, metric, value = line.split()
            figures[metric] = float(value)
        raise Problem("%s ended" % self.name)

    def slice(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Problem("%s ended" % self.name) from None
        return self.answer()

    def close(self):
        if self.process:
            try:
                self.process.stdin.close()
                self.process.wait(timeout=120)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        if self.server:
            self.server.stop()


def client():
    return compile_c("client", os.path.join(HERE, "client.c"))


# ------------------------------------------------------------------------------------------ counting

def path(name):
    return os.path.join(BUILD, name)


class Callgrind:
    """Instructions outside the kernel."""
    tool, unable = "valgrind", ["go"]           # valgrind does not know Go's stacks

    def before(self):
        return ["valgrind", "--tool=callgrind", "--callgrind-out-file=" + path("callgrind.out")]

    def env(self):
        return None

    def read(self, errors):
        return int(re.search(r"Collected : (\d+)", errors).group(1))


class Strace:
    """System calls, of all threads; or those of one name."""
    tool, unable = "strace", []

    def __init__(self, *names):
        # What is not named is not stopped at.
        self.names = ["--seccomp-bpf", "-e", "trace=" + ",".join(names)] if names else []

    def before(self):
        return ["strace", "-f", "-c", "-o", path("strace.out")] + self.names

    def env(self):
        return None

    def read(self, _):
        with open(path("strace.out")) as f:
            totals = [line.split() for line in f if line.rstrip().endswith("total")]
        return int(totals[-1][3]) if totals else 0


class Trace(Strace):
    """System calls so far."""

    def before(self):
        return ["strace", "-f", "-o", path("strace.out")]

    def read(self, _):
        with open(path("strace.out")) as f:
            return f.read().count("\n")


class Heap:
    """Heap calls, the bytes in use, or the most that there were."""
    tool, unable = None, ["go"]                 # Go has its own heap

    def __init__(self, word):
        self.word = word

    def before(self):
        if os.path.exists(path("heap.count")):
            os.remove(path("heap.count"))
        return []

    def env(self):
        library = compile_c("heap.so", os.path.join(HERE, "heap.c"), "-shared", "-fPIC")
        return dict(os.environ, LD_PRELOAD=library, BENCH_HEAP=path("heap.count"))

    def read(self, _):
        with open(path("heap.count"), "rb") as f:
            return struct.unpack("3q", f.read(24))[self.word]


COUNTERS = {"instructions": Callgrind(), "system calls": Strace(), "idle system calls": Trace(),
            "wake writes": Strace("write"), "heap calls": Heap(0), "bytes in use": Heap(1), "bytes": Heap(2)}


def count_once(counter, side, workload, few, many):
    """An operation's share of a driver's run: the difference of two lengths, so that begin and end cancel out."""
    env = dict(counter.env() or os.environ, BENCH_OTHER_CPU=str(cpus()[1]))     # who spins does so elsewhere
    totals = [counter.read(output_of(counter.before() + [side.driver, "--once", workload, str(n)], cpus()[0], env))
              for n in (few, many)]
    return (totals[1] - totals[0]) / (many - few)


def count_served(counter, side, workload, few, many):
    """A round trip's share of what an echo server does."""
    totals = []
    for n in (few, many):
        server = Server(side.echo, counter.before(), counter.env())
        try:
            output_of([client(), "--once", workload, str(n)], cpus()[1], server.env())
        finally:
            errors = server.stop()
        totals.append(counter.read(errors))
    return (totals[1] - totals[0]) / (many - few)


@contextlib.contextmanager
def held(server, count):
    """So many silent connections."""
    holder = subprocess.Popen([client(), "--once", "connect/1", str(count)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, env=server.env(), text=True)
    holder.stdout.readline()
    try:
        yield
    finally:
        holder.communicate("")


def count_held(counter, side, _, few, many):
    """A connection's share of what a server uses while it has them, without its buffer of 4096 bytes."""
    totals = []
    for n in (few, many):
        server = Server(side.echo, counter.before(), counter.env())
        with held(server, n):
            totals.append(counter.read(""))
        server.stop()
    return (totals[1] - totals[0]) / (many - few) - 4096


def count_idle(counter, side, _, before, seconds):
    """A second's share of what a server does while one connection is silent, once it has come to rest: when it did
    nothing for a while, or never does."""
    server = Server(side.echo, counter.before(), counter.env())
    with held(server, 1):
        first = -1
        for _ in range(20):
            earlier, first = first, counter.read("")
            if first == earlier:
                break
            time.sleep(before)
        time.sleep(seconds)
        last = counter.read("")
    server.stop()
    return (last - first) / seconds
