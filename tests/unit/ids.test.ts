import { expect, test } from "bun:test";
import { enforcementId, eventId, executionId, executionIdOfKey, isUuid, newId } from "../../src/core/ids.ts";

test("ids are the same on every machine and after every upgrade", () => {
  expect(eventId("p.sensor", "p.trigger", "key")).toBe("9f1f6752-68a4-5c1f-9b35-df69bd96e8b4");
  expect(executionId(eventId("p.sensor", "p.trigger", "key"), 7)).toBe("d7d48c5b-daef-54e7-941b-695de3c90f08");
});

test("what differs in any part, or in where one part ends, has another id", () => {
  const ids = [
    eventId("a", "b", "c"),
    eventId("ab", "", "c"),
    eventId("a", "bc", ""),
    executionId("a", 1),
    executionId("a", 2),
    enforcementId("a", 1),
    executionIdOfKey("a", "1"),
  ];
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every(isUuid)).toBe(true);
});

test("new ids are UUIDs in the order of their making", () => {
  const ids = Array.from({ length: 100 }, newId);
  expect(ids.every(isUuid)).toBe(true);
  expect(ids.toSorted()).toEqual(ids);
  expect(isUuid("x".repeat(36))).toBe(false);
});
