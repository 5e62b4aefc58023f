-- What an execution was made with: the content hash of its pack. Null for packs that could not be kept.
ALTER TABLE execution ADD COLUMN snapshot text;

-- One row for each time a pack changed or was found broken, and where the time went.
CREATE TABLE pack_history (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pack_ref text NOT NULL,
  version text,
  snapshot text,
  added text[] NOT NULL,
  changed text[] NOT NULL,
  removed text[] NOT NULL,
  errors jsonb NOT NULL,
  watch_ms real NOT NULL,
  parse_ms real NOT NULL,
  database_ms real NOT NULL,
  publish_ms real NOT NULL,
  created timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pack_history_pack ON pack_history (pack_ref, id DESC);
