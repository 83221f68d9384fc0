#include "control/alert_ledger.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace wal_exporter::control {
namespace {

constexpr std::size_t kMost = 500;
constexpr Duration kLongest = std::chrono::hours(24 * 30);

}  // namespace

std::vector<std::string> AlertLedger::missing(const std::vector<std::string>& instances) const {
  std::vector<std::string> out;
  std::copy_if(instances.begin(), instances.end(), std::back_inserter(out),
               [&](const std::string& instance) { return served_.find(instance) == served_.end(); });
  return out;
}

void AlertLedger::add(const std::vector<std::string>& instances, Time now) {
  for (const std::string& instance : instances) served_[instance] = now;
  std::erase_if(served_, [&](const auto& entry) { return now - entry.second > kLongest; });
  // What came together stays together: part of it forgotten would be served again.
  while (served_.size() > std::max(kMost, instances.size())) {
    served_.erase(std::min_element(served_.begin(), served_.end(),
                                   [](const auto& left, const auto& right) { return left.second < right.second; }));
  }
}

std::string AlertLedger::to_text() const {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [instance, time] : served_) json[to_valid_utf8(instance)] = time.time_since_epoch().count();
  return json.dump();
}

AlertLedger AlertLedger::from_text(const std::string& text) {
  AlertLedger ledger;
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return ledger;
  for (const auto& [instance, time] : json.items()) {
    if (time.is_number_integer()) ledger.served_[instance] = Time(Duration(time.get<std::int64_t>()));
  }
  return ledger;
}

}  // namespace wal_exporter::control
