// What to do about a target now, why, and what forbids it. Value types: safe from
// any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/blockers.h"

namespace wal_exporter::policy {

// Why a checkpoint was asked for.
enum class Reason { warning, critical, scheduled, manual, alert, pre_restart };
inline constexpr Reason kReasons[] = {Reason::warning, Reason::critical, Reason::scheduled,
                                      Reason::manual,  Reason::alert,    Reason::pre_restart};

enum class Action { none, checkpoint };

[[nodiscard]] std::string_view to_string(Reason reason);
[[nodiscard]] std::string_view to_string(Action action);
[[nodiscard]] std::optional<Reason> parse_reason(std::string_view text);

struct Decision {
  Action action = Action::none;
  std::optional<Reason> reason;   // also where blockers keep the action from being taken
  std::string why;                // for people: the reason with its numbers, or why there is none
  std::vector<Blocked> blockers;  // in the order of the enum

  // Both in one text.
  [[nodiscard]] std::string explanation() const { return explain(why, blockers); }

  friend bool operator==(const Decision&, const Decision&) = default;
};

}  // namespace wal_exporter::policy
