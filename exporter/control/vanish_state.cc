#include "control/vanish_state.h"

#include <nlohmann/json.hpp>

#include "policy/gaps.h"

namespace wal_exporter::control {

using wal::Vanished;

namespace {

// Whether the WAL shows that InfluxDB went on where it is seen.
bool shows_newer(const wal::Sample& sample, Time than) {
  if (sample.layout == wal::Layout::node) return sample.snapshot && sample.snapshot->written > than;
  return sample.newest_file && *sample.newest_file > than;
}

}  // namespace

VanishState::VanishState(Ledger& ledger) {
  const auto text = ledger.kept(kVanishedKey);
  const auto json = nlohmann::json::parse(text.value_or(""), nullptr, /*allow_exceptions=*/false);
  try {
    if (!json.is_object()) return;
    Vanished kept;
    kept.cause = json.at("cause").get<int>() == 0 ? Vanished::Cause::directory : Vanished::Cause::files;
    kept.extent = {json.at("files").get<std::uint64_t>(), json.at("bytes").get<std::uint64_t>()};
    kept.last_seen = Time(Duration(json.at("last_seen").get<std::int64_t>()));
    kept.missed = Time(Duration(json.at("missed").get<std::int64_t>()));
    layout_ = json.at("node").get<bool>() ? wal::Layout::node : wal::Layout::segments;
    if (kept.cause == Vanished::Cause::files && layout_ == wal::Layout::segments) kept.cause = Vanished::Cause::folders;
    process_ = json.at("process").get<std::string>();
    standing_ = kept;
    is_of_before_ = true;
  } catch (const nlohmann::json::exception&) {
    return;  // written by another version: nothing is known of before
  }
}

void VanishState::keep(Ledger& ledger) const {
  nlohmann::json json;
  if (standing_) {
    json = {{"cause", standing_->cause == Vanished::Cause::directory ? 0 : 1},
            {"files", standing_->extent.files},
            {"bytes", standing_->extent.bytes},
            {"last_seen", standing_->last_seen.time_since_epoch().count()},
            {"missed", standing_->missed.time_since_epoch().count()},
            {"node", layout_ == wal::Layout::node},
            {"process", process_}};
  }
  ledger.keep(kVanishedKey, json.dump());
}

bool VanishState::take(const wal::Sample& sample, const ServerState& server, Ledger& ledger) {
  layout_ = sample.layout;
  const std::optional<Vanished>& found = sample.vanished;
  if (!found || found->over) {
    const bool stays = standing_ && !found && is_of_before_ && !shows_newer(sample, standing_->missed);
    if (standing_ && !stays) {
      ledger.log()->info("the WAL's files are accounted for again [{}]", ledger.target());
      standing_.reset();
      keep(ledger);
    }
    suspected_.reset();
    number_ = found ? found->number : 0;
    starts_before_ = starts_;
    return false;
  }
  if (found->number == number_) {
    if (!suspected_) starts_before_ = starts_;
    return false;
  }
  number_ = found->number;
  suspected_ = found;
  if (server.is_asked()) return true;
  if (found->cause == Vanished::Cause::files || found->cause == Vanished::Cause::front) {
    excuse("and whether InfluxDB ran meanwhile is not known without influxdb.url", ledger);
  } else {
    confirm(*found, ledger);
  }
  return false;
}

bool VanishState::answered(const ServerState& server, Ledger& ledger) {
  const influxdb::ServerFacts& facts = *server.facts();
  if (facts.up) {
    const bool is_other = !process_.empty() && !facts.process_id.empty() && facts.process_id != process_;
    if (was_down_ || is_other) ++starts_;
    if (!facts.process_id.empty()) process_ = facts.process_id;
  }
  was_down_ = !facts.up;
  if (standing_ && starts_ != starts_before_) {
    ledger.log()->warn("InfluxDB was started again: what the vanished files alone held is lost [{}]", ledger.target());
    standing_.reset();
    keep(ledger);
  }
  if (!suspected_) return false;
  if (facts.asked_at < suspected_->missed) return true;
  if (!facts.up || starts_ != starts_before_) {
    excuse("while InfluxDB did not run", ledger);
  } else if (suspected_->cause == Vanished::Cause::front &&
             !policy::leaves_every_manifest(server.rules().server.version).value_or(false)) {
    excuse("as a snapshot with nothing to persist makes InfluxDB " +
               (facts.version.empty() ? std::string("before 3.11.4") : facts.version) + " do",
           ledger);
  } else {
    confirm(*suspected_, ledger);
  }
  return false;
}

void VanishState::confirm(const Vanished& vanished, Ledger& ledger) {
  standing_ = vanished;
  suspected_.reset();
  starts_before_ = starts_;
  is_of_before_ = false;
  ledger.log()->error("{} [{}]", text(), ledger.target());
  keep(ledger);
}

void VanishState::excuse(const std::string& why, Ledger& ledger) {
  ledger.log()->info("{} of the WAL vanished, {} [{}]",
                     suspected_->extent.files == 1 ? "1 file" : std::to_string(suspected_->extent.files) + " files",
                     why, ledger.target());
  suspected_.reset();
  starts_before_ = starts_;
}

std::string VanishState::text() const {
  return standing_ ? policy::describe(*standing_, layout_) : std::string();
}

}  // namespace wal_exporter::control
