// Which alerts have had their checkpoint: each instance gets one.
//
// A value with a text form for the state database; not thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace wal_exporter::control {

class AlertLedger {
 public:
  // Of `instances`, those that are not in it.
  [[nodiscard]] std::vector<std::string> missing(const std::vector<std::string>& instances) const;
  // Keeps the newest 500 of the last 30 days; Alertmanager repeats an alert that
  // lasts longer, and a month later it may have its checkpoint again.
  void add(const std::vector<std::string>& instances, Time now);

  [[nodiscard]] std::string to_text() const;
  // What can't be read is an empty ledger: at worst an alert gets a second checkpoint.
  [[nodiscard]] static AlertLedger from_text(const std::string& text);

 private:
  std::map<std::string, Time> served_;
};

}  // namespace wal_exporter::control
