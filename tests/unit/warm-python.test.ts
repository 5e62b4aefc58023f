import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDescriptors } from "../support/running.ts";
import { until } from "../support/until.ts";
import { type StartOptions, startWarmPython, type WarmPython } from "../support/warm.ts";

setDefaultTimeout(60_000);

const program = process.env["ATTUNE_TEST_PYTHON"] ?? Bun.which("python3", { PATH: "/usr/bin:/usr/local/bin" }) ?? "";
const dir = mkdtempSync(join(tmpdir(), "attune-warm-"));
let warm: WarmPython;

beforeAll(async () => {
  writeFileSync(join(dir, "helper.py"), "import os\nname = __name__\nplace = os.path.basename(__file__)\n");
  mkdirSync(join(dir, "lib"));
  writeFileSync(join(dir, "lib/shared.py"), "value = 'from lib'\n");
  warm = await startWarmPython(program, dir);
  await warm.ready();
});
afterAll(async () => {
  await warm[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

let count = 0;

/** Says first who its parent is: that differs, and shows which way it was started. */
const marker = "import os as _os; _os.write(2, b'parent %d\\n' % _os.getppid()); del _os\n";

/** Runs the text cold and warm; what differs by nature, the pid, is the same word in both. */
async function bothWays(text: string, options: StartOptions = {}, expected: "warm" | "cold" = "warm") {
  const script = `script${count++}.py`;
  writeFileSync(join(dir, script), marker + text);
  const once = async (how: "cold" | "warm") => {
    const { child, finished } = await warm.start(how, script, options);
    const result = await finished;
    const [first, ...rest] = result.stderr.split("\n");
    const parent = Number(first?.replace("parent ", ""));
    const same = (part: string) => part.replaceAll(String(child.pid), "PID").replace(/0x[0-9a-f]{8,}/g, "ADDRESS");
    return { parent, exit: result.exit, stdout: same(result.stdout), stderr: same(rest.join("\n")) };
  };
  const { parent: coldParent, ...cold } = await once("cold");
  const { parent: warmParent, ...other } = await once("warm");
  expect(coldParent).toBe(process.pid);
  expect(warmParent === process.pid ? "cold" : "warm").toBe(expected);
  expect(other).toEqual(cold);
  return cold;
}

describe("what a script sees warm is what it sees cold:", () => {
  test.each<[string, string, StartOptions?]>([
    ["arguments", "import sys; print(sys.argv, getattr(sys, 'orig_argv', None), sys.flags)", { args: ["a", "-b", "é\n"] }],
    ["working directory", "import os; print(os.getcwd())", { cwd: "/usr" }],
    [
      "environment, also that of its children",
      "import os, subprocess, sys\nprint(dict(os.environ))\nsys.stdout.flush()\nsubprocess.run(['/usr/bin/env'])",
      { env: { ONE: "1", MANY: "a\nb=é", EMPTY: "", ATTUNE_ACTION: "p.a" } },
    ],
    [
      "a time zone of its own",
      "import time, datetime; print(time.tzname, datetime.datetime.fromtimestamp(0))",
      { env: { TZ: "Asia/Tokyo" } },
    ],
    [
      "text on stdin",
      "import sys; print(sys.stdin.fileno(), sys.stdin.seekable(), sys.stdin.encoding, repr(sys.stdin.read()), repr(sys.stdin.read()))",
      { stdin: { text: "é\nline\n".repeat(20_000) } },
    ],
    ["nothing on stdin", "import sys; print(repr(sys.stdin.read()), sys.stdin.isatty())"],
    ["lines of stdin", "for line in iter(input, ''): print(line)", { stdin: { text: "a\nb\n\nc" } }],
    [
      "standard streams",
      "import sys\nfor s in (sys.stdin, sys.stdout, sys.stderr, sys.__stdout__):\n  print(type(s), s.name, s.mode, s.encoding, s.errors, s.line_buffering, getattr(s, 'write_through', 0), type(s.buffer), s.isatty(), s.seekable())",
    ],
    [
      "order of unbuffered output",
      "import sys, os, subprocess\nfor i in range(20):\n  print(i, end=' '); os.write(1, b'raw '); subprocess.run(['/bin/echo', str(i)])",
    ],
    ["big outputs", "import sys\nprint('x' * 3_000_000)\nprint('y' * 300_000, file=sys.stderr)"],
    [
      "main module",
      "import sys\nprint(__name__, __file__, __doc__, __package__, __spec__, type(__loader__), __loader__.name, __loader__.path, __builtins__, list(globals()), sys.modules['__main__'].__dict__ is globals())",
    ],
    [
      "module path",
      "import sys; print(sys.path, sys.prefix, sys.exec_prefix, sys.executable, list(sys.path_importer_cache)[:0])",
    ],
    ["imports beside it and from lib", "import helper, shared; print(helper.name, helper.place, shared.value)"],
    [
      "PYTHONPATH with repeated, relative, empty and missing entries",
      "import sys; print(sys.path)",
      { env: { PYTHONPATH: "lib:/nowhere:lib::../x" } },
    ],
    ["PYTHONPATH that is empty", "import sys; print(sys.path)", { env: { PYTHONPATH: "" } }],
    [
      "group, session and limits",
      "import os, resource, signal\nprint(os.getpid(), os.getpgid(0), os.getsid(0), os.umask(0), os.nice(0))\nprint([resource.getrlimit(getattr(resource, n)) for n in sorted(dir(resource)) if n.startswith('RLIMIT')])",
    ],
    [
      "signal dispositions",
      "import signal\nprint([(s, str(signal.getsignal(s)).split(' at ')[0]) for s in range(1, 32)])\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, []))\nprint([l for l in open('/proc/self/status') if l.startswith(('SigB', 'SigI', 'SigC'))])",
    ],
    ["open descriptors", "import os; print(sorted(os.listdir('/proc/self/fd')))"],
    [
      "interpreter's settings",
      "import sys, gc, locale, threading, time\nprint(gc.isenabled(), gc.get_threshold(), sys.getrecursionlimit(), sys.getswitchinterval(), locale.getpreferredencoding(), sys.getfilesystemencoding(), sys.dont_write_bytecode, threading.current_thread() is threading.main_thread(), threading.get_native_id() == threading.main_thread().native_id, sys.warnoptions, sys._xoptions, sys.excepthook is sys.__excepthook__, hasattr(sys, 'last_value'))\nassert time.process_time() < 1",
    ],
    [
      "its own clock in log records",
      "import logging; logging.basicConfig(format='%(levelname)s %(processName)s %(process)d'); logging.warning('x'); r = logging.makeLogRecord({}); assert r.relativeCreated < 1000, r.relativeCreated",
    ],
    [
      "classes that can be pickled",
      "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A, A.__module__)",
    ],
    [
      "annotations and source",
      "import inspect\nx: int = 1\ndef f(): return 1\nprint(inspect.getsource(f), inspect.getfile(f), __annotations__)",
    ],
    [
      "dedicated temp files",
      "import tempfile; d = tempfile.TemporaryDirectory(); f = tempfile.NamedTemporaryFile(); print(d.name.startswith(tempfile.gettempdir()))",
    ],
  ])("%s", async (_, text, ...[options]) => {
    const { exit } = await bothWays(text, options);
    expect(exit).toEqual({ code: 0, signal: null });
  });

  test("a script behind a link: the imports are beside what it leads to", async () => {
    mkdirSync(join(dir, "elsewhere"));
    writeFileSync(join(dir, "elsewhere/real.py"), "import sys, beside; print(sys.argv, sys.path[0], __file__, beside.x)\n");
    writeFileSync(join(dir, "elsewhere/beside.py"), "x = 1\n");
    symlinkSync(join(dir, "elsewhere/real.py"), join(dir, "link.py"));
    const cold = await warm.run("cold", "link.py");
    expect(cold.exit.code).toBe(0);
    expect(await warm.run("warm", "link.py")).toEqual(cold);
  });

  test("random numbers, UUIDs and temp names are not the same twice", async () => {
    const text =
      "import random, uuid, tempfile, os, secrets; print(random.random(), uuid.uuid4(), uuid.uuid1(), next(tempfile._get_candidate_names()), os.urandom(4).hex(), secrets.token_hex())";
    writeFileSync(join(dir, "random_script.py"), text);
    const runs = await Promise.all(Array.from({ length: 8 }, () => warm.run("warm", "random_script.py")));
    const words = runs.flatMap((run) => run.stdout.trim().split(" "));
    expect(new Set(words).size).toBe(8 * 6);
  });
});

describe("how a script ends warm is how it ends cold:", () => {
  test.each<[string, string]>([
    ["by its last line", "print(1)"],
    ["sys.exit()", "import sys; sys.exit()"],
    ["sys.exit(None)", "import sys; sys.exit(None)"],
    ["sys.exit(0)", "import sys; sys.exit(0)"],
    ["sys.exit(7)", "import sys; sys.exit(7)"],
    ["sys.exit(-1)", "import sys; sys.exit(-1)"],
    ["sys.exit(256 + 3)", "import sys; sys.exit(259)"],
    ["a huge number", "import sys; sys.exit(2 ** 40 + 5)"],
    ["sys.exit(True)", "import sys; sys.exit(True)"],
    ["sys.exit(text)", "import sys; sys.exit('wrong: é')"],
    ["an exit that was derived", "class E(SystemExit):\n  code = 5\nraise E()"],
    ["os._exit", "import os; os._exit(9)"],
    ["an exception", "import json\ndef f(): json.loads('{')\nf()"],
    [
      "an exception with cause and context",
      "def f():\n  try: 1/0\n  except ZeroDivisionError as e:\n    raise KeyError('a') from e\ntry: f()\nexcept KeyError: raise ValueError('é')",
    ],
    ["an exception within an import", "import os\nopen('broken_module.py', 'w').write('1/0')\nimport broken_module"],
    ["a missing module", "import no_such_module"],
    ["a hook for exceptions", "import sys\nsys.excepthook = lambda t, v, tb: print('hook', t, v, tb.tb_lineno, tb.tb_next)\n1/0"],
    ["KeyboardInterrupt", "raise KeyboardInterrupt"],
    ["a signal", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"],
    ["SIGKILL", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
    ["abort", "import os; os.abort()"],
    [
      "a handler of its own",
      "import signal, os, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(4))\nos.kill(os.getpid(), signal.SIGTERM)",
    ],
    ["SIGINT", "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5)"],
    [
      "a broken pipe",
      "import os, sys\nr, w = os.pipe(); os.close(r)\ntry: os.write(w, b'x')\nexcept BrokenPipeError as e: print(e)",
    ],
    [
      "threads are joined",
      "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()\nprint('main')",
    ],
    [
      "daemon threads are not",
      "import threading, time\nthreading.Thread(target=lambda: time.sleep(60), daemon=True).start()\nprint('main')",
    ],
    ["an exception in a thread", "import threading\nt = threading.Thread(target=lambda: 1/0, name='t'); t.start(); t.join()"],
    ["atexit, last first", "import atexit\natexit.register(print, 1); atexit.register(print, 2)\nraise SystemExit(3)"],
    ["a failing atexit", "import atexit\natexit.register(lambda: 1/0)"],
    [
      "finalizers",
      "class A:\n  def __init__(self, n): self.n = n\n  def __del__(self): print('del', self.n, flush=True)\na = A(1)\nb = A(2); b.self = b\ndef f(): return a",
    ],
    [
      "files left open",
      "import sys\nf = open('left', 'w'); f.write('text')\nsys.keep = open('left2', 'w'); sys.keep.write('more')\nprint(open('left').read())",
    ],
    ["files left open, seen by the next", "print(open('left').read(), open('left2').read())"],
    ["output of another sys.stdout", "import sys\nsys.stdout = open('/dev/stdout', 'w')\nprint('buffered')"],
    ["a closed stdout", "import sys\nsys.stdout.close()"],
    ["generators", "def g():\n  try: yield 1\n  finally: print('closed')\nx = g(); next(x)"],
    [
      "a fork within",
      "import os, sys\nif os.fork() == 0:\n  print('child', os.getpid() != os.getpgid(0)); sys.exit(3)\nprint(os.wait()[1] >> 8)",
    ],
    ["a fork that outlives", "import os, time\nif os.fork() == 0:\n  time.sleep(0.2); print('late')\nelse: print('early')"],
    [
      "multiprocessing by spawn",
      "import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n  with m.get_context('spawn').Pool(1) as p: print(p.map(f, [1, 2]))",
    ],
    [
      "multiprocessing by fork",
      "import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n  with m.get_context('fork').Pool(1) as p: print(p.map(f, [1, 2]))",
    ],
    ["asyncio", "import asyncio\nasync def f(): await asyncio.sleep(0); return 1\nprint(asyncio.run(f()))"],
    ["a pool of threads", "from concurrent.futures import ThreadPoolExecutor as T\nprint(list(T(2).map(str, range(3))))"],
    ["ctypes", "import ctypes; ctypes.CDLL(None).printf(b'from C\\n')"],
    ["a warning", "import warnings\ndef f(): warnings.warn('w', stacklevel=1)\nf()\nwarnings.warn('d', DeprecationWarning)"],
    ["exec of another program", "import os; os.execv('/bin/echo', ['echo', 'hi'])"],
    [
      "log records that are kept back",
      "import logging, logging.handlers as h\nlogging.getLogger().addHandler(h.MemoryHandler(100, target=logging.StreamHandler()))\nlogging.warning('x')",
    ],
    ["logging", "import logging; logging.basicConfig(level=10); logging.info('x')"],
  ])("%s", (_, text) => bothWays(text).then(() => {}));

  test("SIGTERM and SIGKILL reach the whole group", async () => {
    writeFileSync(
      join(dir, "sleeper.py"),
      "import subprocess, time\nsubprocess.Popen(['sleep', '60'])\nprint('up', flush=True)\ntime.sleep(60)\n",
    );
    for (const how of ["cold", "warm"] as const) {
      const { child, finished } = await warm.start(how, "sleeper.py");
      expect(await child.stop(5_000)).toEqual({ code: null, signal: "SIGTERM" });
      await finished;
    }
  });
});

describe("what can't be done the same way is started cold:", () => {
  test.each<[string, string, StartOptions]>([
    ["another encoding", "import sys; print(sys.stdout.encoding)", { env: { PYTHONIOENCODING: "latin-1" } }],
    ["another mode", "import sys; print(sys.flags.utf8_mode)", { env: { PYTHONUTF8: "1" } }],
    ["a hash seed", "print(hash('a'))", { env: { PYTHONHASHSEED: "5" } }],
    ["warnings as errors", "import warnings; warnings.warn('x')", { env: { PYTHONWARNINGS: "error" } }],
    ["another home", "import os; print(os.path.expanduser('~'))", { env: { HOME: "/nowhere" } }],
    ["another locale", "import locale, sys; print(sys.stdout.encoding)", { env: { LC_ALL: "C" } }],
    ["a mistake in the syntax", "def f(:\n", {}],
    ["a warning of the compiler", "x = 1 is 1\n", {}],
    ["a lib with a module of a standard name", "import json; print(json.__file__)", { env: { PYTHONPATH: "hiding" } }],
    ["a lib with a sitecustomize", "print(1)", { env: { PYTHONPATH: "customizing" } }],
  ])("%s", async (_, text, options) => {
    mkdirSync(join(dir, "hiding"), { recursive: true });
    writeFileSync(join(dir, "hiding/json.py"), "");
    mkdirSync(join(dir, "customizing"), { recursive: true });
    writeFileSync(join(dir, "customizing/sitecustomize.py"), "print('customized')\n");
    const source = text.includes("syntax") ? text : text;
    const script = `cold${count++}.py`;
    writeFileSync(join(dir, script), source);
    expect(await warm.run("warm", script, options)).toEqual(await warm.run("cold", script, options));
    if (!/^(def f|x = 1)/.test(text)) await bothWays(text, options, "cold");
  });

  test("a module beside the script that hides a standard one", async () => {
    mkdirSync(join(dir, "shadow"));
    writeFileSync(join(dir, "shadow/uuid.py"), "print('mine')\n");
    writeFileSync(join(dir, "shadow/main.py"), "import uuid, os; print(uuid.__file__, os.getppid())\n");
    const cold = await warm.run("cold", "shadow/main.py");
    expect(cold.stdout).toContain("mine");
    expect(await warm.run("warm", "shadow/main.py")).toEqual(cold);
  });

  test("a working directory that is gone fails as ever", async () => {
    writeFileSync(join(dir, "plain.py"), "print(1)\n");
    expect(warm.run("warm", "plain.py", { cwd: join(dir, "gone") })).rejects.toThrow("its directory");
  });
});

test("a changed script, and a changed module beside it, are seen at once", async () => {
  for (let i = 10; i < 40; i++) {
    writeFileSync(join(dir, "changing_module.py"), `value = ${i}\n`);
    writeFileSync(join(dir, "changing.py"), `import changing_module; print(${i}, changing_module.value)\n`);
    expect((await warm.run("warm", "changing.py")).stdout).toBe(`${i} ${i}\n`);
  }
});

test("a package that was installed meanwhile is there, by a new server", async () => {
  writeFileSync(join(dir, "version.py"), "import site; print(site.getusersitepackages())\n");
  const site = (await warm.run("cold", "version.py")).stdout.trim();
  expect(site.startsWith(dir)).toBe(true);
  mkdirSync(site, { recursive: true });
  await using other = await startWarmPython(program, dir);
  await other.ready();
  const [server] = other.servers();
  mkdirSync(join(dir, "packages"));
  writeFileSync(join(dir, "packages/installed.py"), "print('installed')\n");
  writeFileSync(join(site, "packages.pth"), `${join(dir, "packages")}\n`);
  writeFileSync(join(dir, "uses.py"), "import installed\n");
  expect((await other.run("warm", "uses.py")).stdout).toBe("installed\n");
  await other.ready();
  expect((await other.run("warm", "uses.py")).stdout).toBe("installed\n");
  expect(other.servers()).not.toContain(server);
  rmSync(join(dir, ".local"), { recursive: true });
});

test("nothing is left of many starts: no descriptor, no process", async () => {
  const before = openDescriptors();
  const [server] = warm.servers();
  writeFileSync(join(dir, "many.py"), "print(1)\n");
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 10 }, () => warm.run("warm", "many.py")));
  await until("every descriptor is closed", () => openDescriptors() <= before);
  await until("every child was reaped", async () => (await Bun.file(`/proc/${server}/task/${server}/children`).text()) === "");
  expect(warm.servers()).toEqual([server as number]);
  expect(warm.log).toEqual([]);
});
