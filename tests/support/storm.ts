import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Edits of packs, as many people at once might make them. */
export interface Storm {
  /** Makes one edit, good or bad; resolves when the file is whole. */
  edit(): Promise<void>;
  /** Puts something valid in the place of all that was left broken. */
  mend(): void;
  readonly made: Readonly<Record<string, number>>;
}

const packNames = Array.from({ length: 6 }, (_, i) => `s${i}`);
const folders = ["actions", "triggers", "rules", "sensors"] as const;

/** Edits the packs `s0` to `s5` below `dir`, and further ones that come and go. The same `seed` makes the same edits. */
export function createStorm(dir: string, seed: number): Storm {
  const made: Record<string, number> = {};
  const random = generator(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  let serial = 0;
  let extra = 0;

  function write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text, { mode: 0o755 });
    }
  }
  /** Directories of packs there are now, moved ones too. */
  const present = () => readdirSync(dir).filter((name) => name.startsWith("s"));
  /** Path of some file of some pack, there or not. */
  const someFile = () => {
    const paths = Object.keys(files("s0", "")).map((path) => path.slice("s0/".length));
    // A broken pack.yaml hides all that is below it.
    return join(dir, pick(present()), random() < 0.02 ? "pack.yaml" : pick(paths.filter((path) => path !== "pack.yaml")));
  };

  const save: Record<string, (file: string, text: string) => void | Promise<void>> = {
    "in place": (file, text) => writeFileSync(file, text, { mode: 0o755 }),
    "by rename": (file, text) => {
      writeFileSync(`${file}.tmp`, text, { mode: 0o755 });
      renameSync(`${file}.tmp`, file);
    },
    "by backup": (file, text) => {
      if (existsSync(file)) renameSync(file, `${file}~`);
      writeFileSync(file, text, { mode: 0o755 });
      rmSync(`${file}~`, { force: true });
    },
    "half-written": async (file, text) => {
      // Held open, since the file may be moved meanwhile.
      const fd = openSync(file, "w", 0o755);
      writeSync(fd, text.slice(0, text.length / 2));
      await sleep(10);
      writeSync(fd, text.slice(text.length / 2));
      closeSync(fd);
    },
  };

  async function saveSome(text: (file: string) => string): Promise<void> {
    const file = someFile();
    if (!existsSync(dirname(file))) return;
    const way = pick(Object.keys(save));
    made[way] = (made[way] ?? 0) + 1;
    await save[way]?.(file, text(file));
  }

  const good = (file: string) => {
    const pack = refOf(relativeTo(file) === "pack.yaml" ? dirname(file) : dirname(dirname(file)));
    return files(pack, String(++serial))[`${pack}/${relativeTo(file)}`] ?? "";
  };
  const bad = (file: string) => pick(mistakes)(good(file));

  const rare: Record<string, () => void> = {
    rename() {
      const from = someFile();
      const to = from.includes("other_") ? from.replace("other_", "") : join(dirname(from), `other_${basename(from)}`);
      if (existsSync(from)) renameSync(from, to);
    },
    delete: () => rmSync(someFile(), { force: true }),
    "new pack"() {
      const ref = `s${100 + extra++}`;
      write(files(ref, String(++serial)));
    },
    "delete pack"() {
      if (present().length > 4) rmSync(join(dir, pick(present())), { recursive: true });
    },
    "restore pack"() {
      const ref = pick(packNames);
      if (!present().some((name) => name.startsWith(ref))) write(files(ref, String(++serial)));
    },
    "move pack"() {
      const name = pick(present());
      const to = name.endsWith("_moved") ? name.replace("_moved", "") : `${name}_moved`;
      if (!existsSync(join(dir, to))) renameSync(join(dir, name), join(dir, to));
    },
  };

  write(Object.assign({}, ...packNames.map((ref) => files(ref, "first"))));
  return {
    made,
    async edit() {
      const what = random();
      if (what < 0.4) return saveSome(good);
      if (what < 0.8) return saveSome(bad);
      const kind = pick(Object.keys(rare));
      made[kind] = (made[kind] ?? 0) + 1;
      rare[kind]?.();
    },
    mend() {
      for (const name of present()) {
        for (const folder of folders) {
          const there = join(dir, name, folder);
          for (const file of existsSync(there) ? readdirSync(there) : []) unlinkSync(join(there, file));
        }
        const ref = name.replace("_moved", "");
        for (const [path, text] of Object.entries(files(ref, "mended"))) write({ [path.replace(ref, name)]: text });
      }
    },
  };
}

/** Ref of a pack whose directory may have been moved. */
function refOf(packDir: string): string {
  return basename(packDir).replace("_moved", "");
}

function relativeTo(file: string): string {
  const name = basename(file);
  return name === "pack.yaml" ? name : `${basename(dirname(file))}/${name}`;
}

/** All files of a small pack with something of each kind. `label` shows in each of them. */
function files(ref: string, label: string): Record<string, string> {
  const actions = ["a", "b"].flatMap((name) => [
    [`${ref}/actions/${name}.yaml`, `ref: ${ref}.${name}\nlabel: "${label}"\nentry_point: ${name}.sh\n`],
    [`${ref}/actions/${name}.sh`, `#!/bin/sh\necho ${label}\n`],
  ]);
  return {
    [`${ref}/pack.yaml`]: `ref: ${ref}\nversion: 1.0.0\nlabel: "${label}"\n`,
    [`${ref}/triggers/t.yaml`]: `ref: ${ref}.t\nlabel: "${label}"\n`,
    [`${ref}/rules/r.yaml`]: `ref: ${ref}.r\nlabel: "${label}"\ntrigger_ref: ${ref}.t\naction_ref: ${ref}.a\n`,
    [`${ref}/sensors/s.yaml`]: `ref: ${ref}.s\nlabel: "${label}"\nentry_point: s.sh\ntrigger_types: [t]\n`,
    [`${ref}/sensors/s.sh`]: `#!/bin/sh\n# ${label}\nexec sleep 1000\n`,
    ...Object.fromEntries(actions),
  };
}

const mistakes: readonly ((text: string) => string)[] = [
  (text) => `${text}oops: [\n`,
  (text) => text.replace("ref:", "ref"),
  (text) => text.replace(/^ref: .*$/m, "ref: no.such.pack"),
  (text) => text.replace(".sh\n", ".missing\n"),
  (text) => text.replace("label:", "\tlabel:"),
  () => "",
];

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Kind and ref of each component whose file is as {@link createStorm} writes them, with its label; read without the engine. What
 * two files claim is left out.
 */
export function labelsOnDisk(dir: string): Map<string, { label: string; pack: string }> {
  const found = new Map<string, { label: string; pack: string }>();
  const claimed = new Set<string>();
  const isPack = (name: string) => name.startsWith("s") && existsSync(join(dir, name, "pack.yaml"));
  for (const name of readdirSync(dir).filter(isPack)) {
    const pack = refOf(name);
    for (const folder of folders) {
      const there = join(dir, name, folder);
      for (const file of existsSync(there) ? readdirSync(there).filter((entry) => entry.endsWith(".yaml")) : []) {
        const text = readFileSync(join(there, file), "utf8");
        const ref = /^ref: (\S+)$/m.exec(text)?.[1];
        const label = /^ref: .*\nlabel: "(\w+)"\n/.exec(text)?.[1];
        const name = `${folder} ${ref}`;
        if (claimed.has(name)) found.delete(name);
        else if (label !== undefined && isGood(text, join(there, ".."), folder)) found.set(name, { label, pack });
        claimed.add(name);
      }
    }
  }
  return found;
}

function isGood(text: string, pack: string, folder: string): boolean {
  const script = /^entry_point: (.*)$/m.exec(text)?.[1];
  return !/oops|no\.such/.test(text) && (script === undefined || existsSync(join(pack, folder, script)));
}
