import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fetchSource } from "../../src/core/install/fetch.ts";
import { parseSource } from "../../src/core/install/source.ts";
import { isLeftover } from "../../src/core/packs/leftovers.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const manifest = "ref: mine\nversion: 1.0.0\n";

/** A repository to install from, written by the installed git with none of the machine's settings. */
function repository(dir: string, files: Readonly<Record<string, string>>) {
  const git = (...args: string[]) => {
    const options = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"];
    const env = { PATH: process.env["PATH"], HOME: dir, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
    const { exitCode, stdout, stderr } = Bun.spawnSync(["git", ...options, ...args], { cwd: dir, env });
    if (exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
    return stdout.toString().trim();
  };
  const commit = (changed: Readonly<Record<string, string>>) => {
    writePack(dir, changed);
    git("add", "--all");
    git("commit", "--quiet", "--message=x");
    return git("rev-parse", "HEAD");
  };
  mkdirSync(dir, { recursive: true });
  git("init", "--quiet", "--initial-branch=main");
  commit(files);
  return { dir, url: `git+file://${dir}`, git, commit };
}

async function fetchFrom(
  url: string,
  root: string,
  env: Record<string, string | undefined> = {},
  signal = new AbortController().signal,
) {
  const stage = join(root, "stage");
  mkdirSync(stage);
  const source = parseSource(url, { cwd: root });
  if (source.kind === "index") throw new Error("not from an index");
  const fetched = await fetchSource(source, null, stage, {
    signal,
    progress: () => {},
    env: { PATH: process.env["PATH"], HOME: root, ...env },
    isPart: (name) => !isLeftover(name),
  });
  return { ...fetched, names: readdirSync(fetched.dir, { recursive: true, encoding: "utf8" }).sort() };
}

describe("a git repository", () => {
  test("gives its newest commit, a branch, a tag or a commit", async () => {
    using temp = tempDir("git");
    const { url, git, commit } = repository(join(temp.path, "mine"), { "pack.yaml": manifest, "actions/run.sh": "#!/bin/sh\n" });
    git("tag", "--annotate", "--message=x", "v1.0.0");
    const first = git("rev-parse", "HEAD");
    git("checkout", "--quiet", "-b", "release/1.x");
    const branch = commit({ "branch.txt": "x" });
    git("checkout", "--quiet", "main");
    const newest = commit({ "newest.txt": "x" });
    const expected = { "": [newest, "newest.txt"], "#v1.0.0": [first, null], "#release/1.x": [branch, "branch.txt"] } as const;
    for (const [ref, [commitOf, extra]] of Object.entries(expected)) {
      using dir = tempDir("git");
      const fetched = await fetchFrom(`${url}${ref}`, dir.path);
      expect(fetched).toMatchObject({ commit: commitOf, sha256: null });
      expect(fetched.names).toEqual(["actions", "actions/run.sh", ...(extra ? [extra] : []), "pack.yaml"].sort());
    }
    git("config", "uploadpack.allowAnySHA1InWant", "true");
    using dir = tempDir("git");
    expect(await fetchFrom(`${url}#${first}`, dir.path)).toMatchObject({ commit: first });
  });

  test("brings neither hooks nor settings nor attributes to life", async () => {
    using temp = tempDir("git");
    const trap = join(temp.path, "sprung");
    const spring = `touch ${trap}`;
    const { url, git, dir } = repository(join(temp.path, "mine"), {
      "pack.yaml": manifest,
      ".gitattributes": "*.txt filter=trap export-subst\nsecret.txt export-ignore\n",
      "a.txt": "$Format:%H$\n",
      "secret.txt": "not left out\n",
    });
    for (const hook of ["post-checkout", "post-merge", "reference-transaction", "pre-auto-gc"]) {
      writeFileSync(join(dir, ".git/hooks", hook), `#!/bin/sh\n${spring}\n`);
      chmodSync(join(dir, ".git/hooks", hook), 0o755);
    }
    for (const key of ["filter.trap.smudge", "core.fsmonitor", "core.sshCommand", "core.pager", "tar.tar.gz.command"])
      git("config", key, spring);
    // The user's own settings are as much out of the game.
    writeFileSync(join(temp.path, ".gitconfig"), `[url "file:///nowhere/"]\n insteadOf = file:///\n`);
    const fetched = await fetchFrom(url, temp.path);
    expect(fetched.names).toEqual([".gitattributes", "a.txt", "pack.yaml", "secret.txt"]);
    expect(readFileSync(join(fetched.dir, "a.txt"), "utf8")).toBe("$Format:%H$\n");
    expect(existsSync(trap)).toBe(false);
  });

  test("is refused with a link in it", async () => {
    using temp = tempDir("git");
    const { url, dir, commit } = repository(join(temp.path, "mine"), { "pack.yaml": manifest });
    symlinkSync("/etc/passwd", join(dir, "secret"));
    commit({});
    await expect(fetchFrom(url, temp.path)).rejects.toMatchObject({
      code: "SOURCE_REFUSED",
      message: expect.stringContaining("symlink"),
    });
  });

  test("has no submodules, whatever .gitmodules says", async () => {
    using temp = tempDir("git");
    const trap = join(temp.path, "sprung");
    const inner = repository(join(temp.path, "inner"), { "inner.txt": "x" });
    const outer = repository(join(temp.path, "mine"), { "pack.yaml": manifest });
    outer.git("submodule", "--quiet", "add", inner.dir, "lib");
    outer.commit({
      ".gitmodules": `[submodule "lib"]\n path = lib\n url = --upload-pack=touch ${trap}\n update = !touch ${trap}\n`,
    });
    const fetched = await fetchFrom(outer.url, temp.path);
    expect(fetched.names).toEqual([".gitmodules", "lib", "pack.yaml"]);
    expect(readdirSync(join(fetched.dir, "lib"))).toEqual([]);
    expect(existsSync(trap)).toBe(false);
  });

  test("over ssh asks nothing and gets the host as one word", async () => {
    using temp = tempDir("git");
    const { dir } = repository(join(temp.path, "mine"), { "pack.yaml": manifest });
    const bin = writePack(join(temp.path, "bin"), {
      ssh: `#!/bin/sh\nprintf '%s\\n' "$@" > ${temp.path}/said\nprintf '%s' "$SECRET" >> ${temp.path}/said\nexec git upload-pack ${dir}\n`,
    });
    const env = { PATH: `${bin}:${process.env["PATH"]}`, SECRET: "of the environment" };
    expect((await fetchFrom("git+ssh://git@example.org:2222/me/mine.git", temp.path, env)).names).toEqual(["pack.yaml"]);
    expect(readFileSync(join(temp.path, "said"), "utf8").split("\n")).toEqual([
      "-o",
      "BatchMode=yes",
      "-o",
      "SendEnv=GIT_PROTOCOL",
      "-p",
      "2222",
      "git@example.org",
      "git-upload-pack '/me/mine.git'",
      "",
    ]);
  });

  test("that is not there is told in git's words", async () => {
    using temp = tempDir("git");
    const { url } = repository(join(temp.path, "mine"), { "pack.yaml": manifest });
    await expect(fetchFrom(`${url}#v9`, temp.path)).rejects.toMatchObject({
      code: "SOURCE_UNAVAILABLE",
      message: expect.stringContaining("couldn't find remote ref v9"),
    });
    using other = tempDir("git");
    await expect(fetchFrom(`git+file://${other.path}/none.git`, other.path)).rejects.toMatchObject({
      code: "SOURCE_UNAVAILABLE",
    });
  });

  test("is let go at once when the installation is interrupted, with all that git has started", async () => {
    using temp = tempDir("git");
    const bin = writePack(join(temp.path, "bin"), { ssh: `#!/bin/sh\necho $$ > ${temp.path}/pid\nexec sleep 600\n` });
    const interrupted = new AbortController();
    const env = { PATH: `${bin}:${process.env["PATH"]}` };
    const fetching = fetchFrom("git+ssh://example.org/mine.git", temp.path, env, interrupted.signal);
    const pid = Number(await until("ssh runs", () => readFileSync(join(temp.path, "pid"), "utf8").trim()));
    interrupted.abort("SIGINT");
    expect(await fetching.catch((reason: unknown) => reason)).toBe("SIGINT");
    await until("ssh is gone", () => !isRunning(pid));
  });

  test("needs git", async () => {
    using temp = tempDir("git");
    await expect(fetchFrom("git+file:///none.git", temp.path, { PATH: temp.path })).rejects.toMatchObject({
      code: "SOURCE_UNAVAILABLE",
      message: "git is not installed",
    });
  });
});
