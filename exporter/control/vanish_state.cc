#include "control/vanish_state.h"

#include "policy/gaps.h"

namespace wal_exporter::control {

using wal::Vanished;

bool VanishState::take(const wal::Sample& sample, const ServerState& server, Ledger& ledger) {
  layout_ = sample.layout;
  const std::optional<Vanished>& found = sample.vanished;
  if (!found || found->over) {
    if (standing_) ledger.log()->info("the WAL's files are accounted for again [{}]", ledger.target());
    standing_.reset();
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
  if (!facts.version.empty()) version_ = facts.version;
  if (facts.up) {
    const bool is_other = !process_.empty() && !facts.process_id.empty() && facts.process_id != process_;
    if (was_down_ || is_other) ++starts_;
    if (!facts.process_id.empty()) process_ = facts.process_id;
  }
  was_down_ = !facts.up;
  if (standing_ && starts_ != starts_before_) {
    ledger.log()->warn("InfluxDB was started again: what the vanished files alone held is lost [{}]", ledger.target());
    standing_.reset();
  }
  if (!suspected_) return false;
  if (facts.asked_at < suspected_->missed) return true;
  if (!facts.up || starts_ != starts_before_) {
    excuse("while InfluxDB did not run", ledger);
  } else if (suspected_->cause == Vanished::Cause::front &&
             !policy::leaves_every_manifest(facts.version).value_or(false)) {
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
  ledger.log()->error("{} [{}]", text(), ledger.target());
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
