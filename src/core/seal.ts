import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { AttuneError } from "./errors.ts";
import type { Json } from "./plugin.ts";

/** Encrypts values that must not be read from a copy of the database (AES-256-GCM). */
export interface Seal {
  /** `context` names what the value is for; it opens only under the same name. */
  close(value: Json, context: string): Buffer;
  /** Throws SECRET_UNREADABLE when it was sealed with another key or for something else, or was changed. */
  open(sealed: Uint8Array, context: string): Json;
}

const nonceBytes = 12;
const tagBytes = 16;

/** `key` is 32 bytes, as base64url text. */
export function createSeal(key: string): Seal {
  const secret = Buffer.from(key, "base64url");
  return {
    close(value, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", secret, nonce).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(JSON.stringify(value), "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed);
      try {
        const cipher = createDecipheriv("aes-256-gcm", secret, bytes.subarray(0, nonceBytes))
          .setAAD(Buffer.from(context))
          .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
        const body = Buffer.concat([cipher.update(bytes.subarray(nonceBytes + tagBytes)), cipher.final()]);
        return JSON.parse(body.toString("utf8")) as Json;
      } catch (thrown) {
        throw new AttuneError("SECRET_UNREADABLE", `the stored secret of ${context} can't be opened`, {
          hint: "bring back secret.key of the data directory it was stored with, or set the value again",
          cause: thrown,
        });
      }
    },
  };
}
