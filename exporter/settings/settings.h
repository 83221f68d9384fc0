// Everything a person can set, as typed values.
//
// Plain values, complete after loading: defaults are filled in, secrets are
// still file names (read when used). Safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "actions/options.h"
#include "base/redacted.h"
#include "base/window.h"
#include "events/hook.h"
#include "influxdb/options.h"
#include "policy/rules.h"
#include "settings/said.h"
#include "wal/options.h"

namespace wal_exporter::settings {

struct Checkpoint : influxdb::CheckpointOptions {
  std::vector<Window> windows;  // checkpoints start inside these alone; empty: at any time

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

struct Target {
  std::string name;
  influxdb::ServerOptions influxdb;
  wal::Options wal;
  bool watch = true;  // inotify: sample at once when a file appears
  policy::Rules rules;
  policy::ForecastRules forecast;
  Checkpoint checkpoint;
  bool dry_run = false;             // decide and say so, never act
  std::string watch_only;           // why nothing acts, set by the process, not by a person; empty: it may
  std::vector<Window> maintenance;  // nothing acts inside these
  actions::RestartOptions restart;  // how; when, rules.restart says

  friend bool operator==(const Target&, const Target&) = default;
};

struct Hook {
  events::HookConfig config;
  // "file:line" of the entry and of its template, for messages that are made after
  // the file was read.
  std::string place;
  std::string template_place;
};

struct LocalUser {
  std::string name;  // as written
  std::uint32_t uid = 0;

  friend bool operator==(const LocalUser&, const LocalUser&) = default;
};

struct Web {
  std::vector<LocalUser> local_users;  // may act from this machine without a login, beside root and the exporter's own
  std::vector<std::string> own_names;  // in small letters, beside the machine's own
};

struct Settings {
  Web web;
  std::string alerts_token_file;       // empty: alerts are not taken
  std::vector<Target> targets;         // at least one, names unique
  std::size_t history_limit = 10'000;  // audit rows kept per target
  std::vector<Hook> hooks;             // names unique
  // Every setting with its value, as the text of a settings file: secrets are never in it, and
  // what is no number, duration, choice or name of a target or hook is not for everybody.
  RedactedText in_force;
  Said said;  // its groups: the top, the targets, the hooks; none without a file
  // Of the older environment variables: what each sets, and of which targets.
  std::vector<std::string> from_environment;
};

}  // namespace wal_exporter::settings
