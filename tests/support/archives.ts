import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";

/** One entry as it is written, right or wrong. */
export interface Crafted {
  readonly name: string;
  readonly text?: string;
  /** Bytes of the content; `text` when it is left out. */
  readonly content?: Uint8Array;
  readonly type?: Header["type"];
  readonly mode?: number;
  readonly linkname?: string;
  readonly devmajor?: number;
  readonly devminor?: number;
  /** Fields of an extended header, which win over the others. */
  readonly pax?: Readonly<Record<string, string>>;
}

/** A tar file. */
export async function tarOf(entries: readonly Crafted[]): Promise<Buffer> {
  const archive = pack();
  for (const { text, content, ...header } of entries) {
    if (header.type === undefined) archive.entry(header, content ?? Buffer.from(text ?? ""));
    else archive.entry(header);
  }
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

export async function tarGzipOf(entries: readonly Crafted[]): Promise<Buffer> {
  return gzipSync(await tarOf(entries));
}

export interface CraftedZip {
  readonly name: string;
  readonly text?: string;
  readonly content?: Uint8Array;
  /** Unix mode with the kind of file; a regular one by default. */
  readonly mode?: number;
  /** What is said of the unpacked size, instead of the truth. */
  readonly size?: number;
  readonly crc?: number;
  readonly flags?: number;
  readonly method?: number;
}

/** A zip file, byte by byte. */
export function zipOf(entries: readonly CraftedZip[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const content = entry.content ?? Buffer.from(entry.text ?? "");
    const method = entry.method ?? 8;
    const data = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const name = Buffer.from(entry.name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(entry.flags ?? 0x800, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(entry.crc ?? crc32(content), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(entry.size ?? content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, name, data]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    // Made on Unix, so that the mode counts.
    central.push(Buffer.concat([Buffer.from("PK\x01\x02"), Buffer.from([20, 3]), common, rest, name]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, Buffer.from("PK\x05\x06"), end]);
}
