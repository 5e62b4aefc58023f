-- What an operator has set of a pack's configuration. Values of secret keys are sealed with the key in the data directory.
CREATE TABLE pack_config (
  pack_ref text NOT NULL,
  key text NOT NULL,
  value jsonb,
  sealed bytea,
  updated timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pack_ref, key),
  CHECK ((value IS NULL) <> (sealed IS NULL))
);
