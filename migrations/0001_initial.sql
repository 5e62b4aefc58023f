-- Packs and what they hold. Rows are keyed by ref and outlive their files: what vanished has retired_at.

CREATE TABLE pack (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ref text NOT NULL UNIQUE,
  label text NOT NULL,
  description text,
  version text NOT NULL,
  author text,
  email text,
  system boolean NOT NULL DEFAULT false,
  enabled boolean NOT NULL DEFAULT true,
  conf_schema jsonb NOT NULL DEFAULT '{}',
  config jsonb NOT NULL DEFAULT '{}',
  meta jsonb NOT NULL DEFAULT '{}',
  tags text[] NOT NULL DEFAULT '{}',
  runtime_deps text[] NOT NULL DEFAULT '{}',
  dependencies jsonb NOT NULL DEFAULT '[]',
  hash text NOT NULL,
  created timestamptz NOT NULL DEFAULT now(),
  updated timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz
);

CREATE TABLE runtime (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ref text NOT NULL UNIQUE CHECK (ref ~ '^[a-z][a-z0-9_-]*\.[A-Za-z0-9_-]+$'),
  pack_ref text NOT NULL,
  name text NOT NULL,
  description text,
  aliases text[] NOT NULL DEFAULT '{}',
  distributions jsonb NOT NULL DEFAULT '{}',
  execution_config jsonb NOT NULL DEFAULT '{}',
  hash text NOT NULL,
  created timestamptz NOT NULL DEFAULT now(),
  updated timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz
);

CREATE TABLE trigger (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ref text NOT NULL UNIQUE CHECK (ref ~ '^[a-z][a-z0-9_-]*\.[A-Za-z0-9_-]+$'),
  pack_id bigint NOT NULL REFERENCES pack,
  label text NOT NULL,
  description text,
  type text,
  enabled boolean NOT NULL DEFAULT true,
  param_schema jsonb NOT NULL DEFAULT '{}',
  out_schema jsonb NOT NULL DEFAULT '{}',
  tags text[] NOT NULL DEFAULT '{}',
  hash text NOT NULL,
  created timestamptz NOT NULL DEFAULT now(),
  updated timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz
);

CREATE TABLE action (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ref text NOT NULL UNIQUE CHECK (ref ~ '^[a-z][a-z0-9_-]*\.[A-Za-z0-9_-]+$'),
  pack_id bigint NOT NULL REFERENCES pack,
  runtime_id bigint REFERENCES runtime,
  label text NOT NULL,
  description text,
  enabled boolean NOT NULL DEFAULT true,
  entry_point text NOT NULL,
  param_schema jsonb NOT NULL DEFAULT '{}',
  out_schema jsonb NOT NULL DEFAULT '{}',
  definition jsonb NOT NULL,
  tags text[] NOT NULL DEFAULT '{}',
  hash text NOT NULL,
  created timestamptz NOT NULL DEFAULT now(),
  updated timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz
);

CREATE TABLE sensor (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ref text NOT NULL UNIQUE CHECK (ref ~ '^[a-z][a-z0-9_-]*\.[A-Za-z0-9_-]+$'),
  pack_id bigint NOT NULL REFERENCES pack,
  runtime_id bigint REFERENCES runtime,
  label text NOT NULL,
  description text,
  enabled boolean NOT NULL DEFAULT true,
  entry_point text NOT NULL,
  trigger_refs text[] NOT NULL,
  definition jsonb NOT NULL,
  tags text[] NOT NULL DEFAULT '{}',
  hash text NOT NULL,
  created timestamptz NOT NULL DEFAULT now(),
  updated timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz
);

-- A rule keeps the refs it names: its trigger or action may vanish and come back. pack_id is null for rules made through
-- the API. `enabled` is what the file or the API says; `override` is the operator's word on a pack's rule and wins.
CREATE TABLE rule (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ref text NOT NULL UNIQUE CHECK (ref ~ '^[a-z][a-z0-9_-]*\.[A-Za-z0-9_-]+$'),
  pack_id bigint REFERENCES pack,
  label text NOT NULL,
  description text,
  trigger_ref text NOT NULL,
  action_ref text NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  override boolean,
  conditions jsonb,
  "when" text,
  trigger_params jsonb NOT NULL DEFAULT '{}',
  action_params jsonb NOT NULL DEFAULT '{}',
  -- Since when the rule has had this trigger and these trigger_params: the anchor of timers.
  armed_at timestamptz NOT NULL DEFAULT now(),
  hash text NOT NULL,
  created timestamptz NOT NULL DEFAULT now(),
  updated timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz,
  CHECK (pack_id IS NOT NULL OR override IS NULL)
);

CREATE TABLE event (
  id uuid PRIMARY KEY,
  trigger_ref text NOT NULL REFERENCES trigger (ref),
  sensor_ref text REFERENCES sensor (ref),
  rule_ref text,
  payload jsonb NOT NULL,
  created timestamptz NOT NULL
);
CREATE INDEX event_created ON event (created DESC, id DESC);
CREATE INDEX event_trigger ON event (trigger_ref, created DESC);

-- What was refused: nothing that was handed over disappears without a row that says why.
CREATE TABLE rejected_event (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL,
  excerpt text NOT NULL,
  reason text NOT NULL,
  created timestamptz NOT NULL DEFAULT now()
);

-- One rule applied to one event. The unique key is what makes redelivery harmless.
CREATE TABLE enforcement (
  id uuid PRIMARY KEY,
  event_id uuid NOT NULL REFERENCES event,
  rule_id bigint NOT NULL REFERENCES rule,
  rule_ref text NOT NULL,
  status text NOT NULL CHECK (status IN ('fired', 'unmatched', 'failed')),
  reason text,
  created timestamptz NOT NULL DEFAULT now(),
  UNIQUE (event_id, rule_id),
  CHECK ((status = 'fired') = (reason IS NULL))
);
CREATE INDEX enforcement_created ON enforcement (created DESC, id DESC);
CREATE INDEX enforcement_rule ON enforcement (rule_ref, created DESC);

CREATE TABLE execution (
  id uuid PRIMARY KEY,
  action_ref text NOT NULL REFERENCES action (ref),
  rule_ref text,
  event_id uuid REFERENCES event,
  enforcement_id uuid UNIQUE REFERENCES enforcement,
  status text NOT NULL CHECK (status IN ('requested', 'scheduled', 'running', 'completed', 'failed', 'timeout', 'cancelled', 'abandoned')),
  parameters jsonb NOT NULL,
  result jsonb,
  exit_code integer,
  error text,
  attempt integer NOT NULL DEFAULT 0,
  owner uuid,
  created timestamptz NOT NULL DEFAULT now(),
  started timestamptz,
  finished timestamptz,
  CHECK ((rule_ref IS NULL) = (enforcement_id IS NULL)),
  CHECK ((finished IS NOT NULL) = (status IN ('completed', 'failed', 'timeout', 'cancelled', 'abandoned'))),
  CHECK (status <> 'running' OR (owner IS NOT NULL AND started IS NOT NULL))
);
CREATE INDEX execution_created ON execution (created DESC, id DESC);
CREATE INDEX execution_action ON execution (action_ref, created DESC);
CREATE INDEX execution_rule ON execution (rule_ref, created DESC) WHERE rule_ref IS NOT NULL;
CREATE INDEX execution_event ON execution (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX execution_open ON execution (status, created) WHERE finished IS NULL;

-- Bytes, not text: what a script prints need not be UTF-8.
CREATE TABLE execution_output (
  execution_id uuid NOT NULL REFERENCES execution,
  stream text NOT NULL CHECK (stream IN ('stdout', 'stderr')),
  content bytea NOT NULL,
  total_bytes bigint NOT NULL,
  PRIMARY KEY (execution_id, stream)
);

-- What a sensor remembers for one rule, advanced in the transaction that stores the event.
CREATE TABLE checkpoint (
  rule_id bigint PRIMARY KEY REFERENCES rule,
  sensor_ref text NOT NULL REFERENCES sensor (ref),
  state jsonb NOT NULL,
  updated timestamptz NOT NULL DEFAULT now()
);

-- One row: the daemon that holds this database. `owner` is one start of a daemon, `home` its data directory: whoever holds
-- the lock of that directory knows that an earlier owner is dead. Compared by the database's clock only.
CREATE TABLE lease (
  name text PRIMARY KEY,
  owner uuid NOT NULL,
  home uuid NOT NULL,
  holder text NOT NULL,
  expires_at timestamptz NOT NULL
);
