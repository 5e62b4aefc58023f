"""Starts Python scripts by forking an interpreter that is up already.

Runs as `python FLAGS python-warm.py`. Descriptor 3 is a SOCK_SEQPACKET socket on which requests come: the text is the id,
and four descriptors go with it: a file with {"argv", "env", "cwd"} as JSON, then stdin, stdout and stderr of the script.
Descriptor 4 is a pipe on which short lines are answered:

    R             ready
    S id pid      started; written by the script's own process before any of its code runs
    C id          not started, and never will be: has to be started cold
    E id e|s n    ended with exit code n, or by signal n
    Q             ask no more: what this interpreter was started from has changed

The end of the requests lets it end once no script of its own runs. Nothing of a pack is ever imported here.
"""

import atexit
import gc
import io
import json
import os
import select
import signal
import socket
import stat
import sys
import time
import types
import warnings
from _thread import _count as other_threads
from importlib.machinery import SourceFileLoader

# What scripts import most. None of these keeps what must not be shared between scripts, such as a key or a thread.
import argparse, base64, collections, contextlib, csv, dataclasses, datetime, functools, glob, hashlib, hmac, inspect  # noqa: E401, F401
import itertools, logging, math, pathlib, random, re, shlex, shutil, string, subprocess, tempfile, textwrap  # noqa: E401, F401
import threading, traceback, typing, urllib.parse, urllib.request, uuid  # noqa: E401, F401

REQUESTS = 3
REPLIES = 4
# Reading a longer script here would keep others waiting.
LONGEST_SCRIPT = 256 * 1024
CACHED_SCRIPTS = 128
# Variables that are read while Python or a preloaded library starts. PYTHONPATH is applied to each script instead.
STARTUP_PREFIXES = (b"PYTHON", b"LC_", b"LD_", b"MALLOC_", b"OPENSSL")
STARTUP_NAMES = {b"HOME", b"LANG", b"LOCPATH", b"GCONV_PATH", b"GLIBC_TUNABLES", b"SSLKEYLOGFILE"}


def startup_part(env):
    relevant = {}
    for name, value in env.items():
        if name != b"PYTHONPATH" and (name in STARTUP_NAMES or name.startswith(STARTUP_PREFIXES)):
            relevant[name] = value
    return relevant


def read_records(path):
    with open(path, "rb") as file:
        return file.read().split(b"\0")[:-1]


own_env = dict(record.split(b"=", 1) for record in read_records("/proc/self/environ") if b"=" in record)
own_startup = startup_part(own_env)
# Python sets this one by itself where the locale is C; a script started cold would see it too.
coerced_locale = os.environb.get(b"LC_CTYPE") if os.environb.get(b"LC_CTYPE") != own_env.get(b"LC_CTYPE") else None
command = [os.fsdecode(word) for word in read_records("/proc/self/cmdline")[:-1]]
# The directory of this file is no part of what a script sees.
sys.path_importer_cache.pop(sys.path.pop(0), None)
base_path = list(sys.path)
preloaded = frozenset(sys.modules)
loaded_files = [os.path.normpath(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())]
extension_dirs = frozenset(os.path.dirname(file) for file in loaded_files if file.endswith(".so"))
# A module of one of these names beside a script would be imported in place of the one that is here.
taken_names = frozenset(name.partition(".")[0] for name in preloaded) | {"sitecustomize", "usercustomize"}
exit_callbacks = atexit._ncallbacks()
# What shows that the interpreter was replaced or that packages came or went.
installation_files = [sys.executable, os.path.join(sys.prefix, "pyvenv.cfg"), *base_path]
for directory in base_path:
    installation_files += glob.glob(os.path.join(glob.escape(directory), "*.pth"))


def identity(path):
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def installation():
    return [identity(path) for path in installation_files]


class Job:
    def __init__(self, argv, env, cwd, path, code):
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.path = path
        self.code = code


def plan(request):
    """The Job that a request makes; None when only a cold start does exactly what it asks for."""
    argv = [os.fsdecode(word.encode()) for word in request["argv"]]
    env = {name.encode(): value.encode() for name, value in request["env"].items()}
    cwd = os.fsdecode(request["cwd"].encode())
    script = argv[len(command)] if len(argv) > len(command) else ""
    if argv[: len(command)] != command or not os.path.isabs(script) or startup_part(env) != own_startup:
        return None
    path = [os.path.dirname(os.path.realpath(script))]
    added = os.fsdecode(env.get(b"PYTHONPATH", b""))
    if added:
        path += [os.path.abspath(os.path.join(cwd, entry)) for entry in added.split(os.pathsep)]
    if any(hides_preloaded(entry) for entry in path):
        return None
    seen = set()
    path[1:] = [entry for entry in path[1:] + base_path if not (entry in seen or seen.add(entry))]
    code = compiled(script)
    if code is None:
        return None
    return Job([script, *argv[len(command) + 1 :]], env, cwd, path, code)


def hides_preloaded(directory):
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # An archive, or one that can't be looked into.
    return any(is_module(name) and name.partition(".")[0] in taken_names for name in names)


def is_module(name):
    return "." not in name or name.endswith((".py", ".pyc", ".so"))


scripts = {}


def compiled(path):
    """The code of a script; None when it can't be compiled without a word of warning."""
    found = identity(path)
    if found is None:
        return None
    known = scripts.pop(path, None)
    if known is None or known[0] != found:
        known = (found, compile_file(path))
    # A change within the same tick of the file system's clock would not show.
    if known[1] is not None and time.time_ns() - found[3] > 1_000_000_000:
        scripts[path] = known
        if len(scripts) > CACHED_SCRIPTS:
            del scripts[next(iter(scripts))]
    return known[1]


def compile_file(path):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        source = file.read(LONGEST_SCRIPT + 1)
    # Python takes what ends like this or begins with its mark for compiled code.
    if len(source) > LONGEST_SCRIPT or path.endswith(".pyc") or b"\0" in source:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return compile(source, path, "exec", dont_inherit=True)


def reply(text):
    try:
        os.write(REPLIES, text.encode() + b"\n")
    except BrokenPipeError:
        pass  # The daemon is gone; the scripts that run go on.


def become(job, name, fds, others):
    """Turns the fork into the process that the job asks for."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    for fd in (*fds, *others):
        os.close(fd)
    os.chdir(job.cwd)
    for variable in list(os.environb):
        del os.environb[variable]
    for variable, value in job.env.items():
        os.environb[variable] = value
    if coerced_locale is not None:
        os.environb[b"LC_CTYPE"] = coerced_locale
    time.tzset()
    sys.path[:] = job.path
    sys.argv[:] = job.argv
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = [*command, *job.argv]
    if hasattr(threading.main_thread(), "_set_native_id"):
        threading.main_thread()._set_native_id()
    # Times in log records count from the start of the script.
    logging._startTime = time.time_ns() if isinstance(logging._startTime, int) else time.time()
    main = types.ModuleType("__main__")
    main.__loader__ = SourceFileLoader("__main__", job.argv[0])
    if sys.version_info < (3, 14):
        main.__dict__["__annotations__"] = {}
    main.__dict__.update(__builtins__=sys.modules["builtins"], __file__=job.argv[0], __cached__=None)
    sys.modules["__main__"] = main
    gc.enable()
    os.write(REPLIES, b"S %s %d\n" % (name.encode(), os.getpid()))
    os.close(REPLIES)
    return main.__dict__, job.code


class Server:
    def __init__(self):
        self.requests = socket.socket(fileno=REQUESTS)
        self.requests.setblocking(False)
        self.wake_read, self.wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.running = {}
        self.started_from = installation()

    def serve(self):
        """Returns only in a process that was forked for a script: its globals and its code."""
        poll = select.poll()
        poll.register(REQUESTS, select.POLLIN)
        poll.register(self.wake_read, select.POLLIN)
        asked = True
        while asked or self.running:
            for fd, _ in poll.poll():
                if fd != REQUESTS:
                    os.read(self.wake_read, 4096)
                    self.reap()
                    continue
                message, fds = self.receive()
                if not message:
                    asked = False
                    poll.unregister(REQUESTS)
                    continue
                script = self.start(message.decode("ascii"), fds)
                if script is not None:
                    return script
        os._exit(0)

    def receive(self):
        try:
            message, control, flags, _ = self.requests.recvmsg(64, socket.CMSG_SPACE(4 * 4))
        except ConnectionError:
            return b"", []
        fds = []
        for _, _, data in control:
            fds += [int.from_bytes(data[at : at + 4], sys.byteorder) for at in range(0, len(data) - 3, 4)]
        return message, fds

    def start(self, name, fds):
        job = None
        try:
            if installation() != self.started_from:
                reply("Q")
            elif len(fds) == 4:
                with open(fds[0], "rb", closefd=False) as file:
                    job = plan(json.load(file))
        except Exception:
            job = None  # Whatever is wrong with it, a cold start says so in its own words.
        pid = 0
        if job is not None:
            try:
                pid = os.fork()
            except OSError:
                job = None
        if job is None:
            reply("C " + name)
        elif pid == 0:
            try:
                return become(job, name, fds[1:], (fds[0], REQUESTS, self.wake_read, self.wake_write))
            except BaseException:
                reply("C " + name)
                os._exit(0)  # Also when nobody is there to be told.
        else:
            self.running[pid] = name
        for fd in fds:
            os.close(fd)
        return None

    def reap(self):
        while self.running:
            # Left as it is until its end has been told: if this process dies before, the daemon can still collect it.
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            kind = "e" if ended.si_code == os.CLD_EXITED else "s"
            reply("E %s %s %d" % (self.running.pop(ended.si_pid), kind, ended.si_status))
            os.waitpid(ended.si_pid, 0)


def run(script):
    """Runs the script. Returns its exit code when all that is left to do is plain; otherwise raises, or returns None."""
    variables, code = script
    script.clear()
    try:
        exec(code, variables)
    except SystemExit as end:
        status = 0 if end.code is None else end.code
        if type(end) is not SystemExit or type(status) is not int or not -0x80000000 <= status < 0x80000000:
            raise
        return status & 0xFF
    except BaseException as error:
        hide_frames(error)
        raise
    return 0


def hide_frames(error):
    """Has the traceback begin in the script."""
    hook = sys.excepthook
    shown = error.__traceback__.tb_next

    def print_error(kind, value, _):
        hook(kind, value.with_traceback(shown), shown)

    sys.excepthook = print_error


def ends_plainly():
    """Whether nothing is left that has to be ended in the interpreter's own order."""
    if other_threads() > 0 or atexit._ncallbacks() != exit_callbacks or "ctypes" in sys.modules:
        return False
    for name, module in list(sys.modules.items()):
        if name not in preloaded and isinstance(module, types.ModuleType):
            file = types.ModuleType.__getattribute__(module, "__dict__").get("__file__")
            # The C library of an extension may have something to write at the end.
            if isinstance(file, str) and file.endswith(".so") and os.path.dirname(file) not in extension_dirs:
                return False
    return True


def end(code):
    """Does what ending the interpreter does for a script, but for freeing the memory: that takes longer than starting it."""
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        return  # The interpreter says so, and ends with a code of its own.
    for name in list(sys.modules):
        if name not in preloaded or name == "__main__":
            del sys.modules[name]
    gc.collect()
    for thing in gc.get_objects():
        if isinstance(thing, (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            try:
                thing.flush()
            except Exception:
                pass  # Closed, or what it writes to is.
    os._exit(code)


server = Server()
gc.collect()
gc.disable()
gc.freeze()
reply("R")
script = list(server.serve())
code = run(script)
if code is not None and ends_plainly():
    end(code)
if code:
    sys.exit(code)
