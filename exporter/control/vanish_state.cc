#include "control/vanish_state.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "base/text.h"
#include "policy/gaps.h"
#include "wal/last_look.h"

namespace wal_exporter::control {

using wal::Vanished;

namespace {

// Kept over an end of the exporter: of so many.
constexpr std::size_t kMostLost = 200;

// A server that is written to writes each second; a stop and a start take longer.
constexpr Duration kLeastPause = std::chrono::seconds(5);

// By so much a start may seem later than it was: clocks are told in seconds.
constexpr Duration kStartTold = std::chrono::seconds(2);

constexpr Duration kKeepLookEvery = std::chrono::minutes(5);

// As many files as the server keeps, where that is known.
std::optional<std::uint64_t> kept_of(const view::NodeView& node) {
  return node.kept_files_from == "default" ? std::nullopt : std::optional(node.rules.kept_files);
}

// Whether the WAL shows that InfluxDB went on where it is seen.
bool shows_newer(const wal::Sample& sample, const Vanished& vanished, bool under_server) {
  const Time than = vanished.missed;
  if (sample.layout == wal::Layout::node && under_server) return sample.snapshot && sample.snapshot->written > than;
  if (vanished.cause == Vanished::Cause::segments) {
    // Until those before the lost ones are gone, no checkpoint has passed them.
    return std::none_of(sample.shards.begin(), sample.shards.end(), [&](const wal::Shard& shard) {
      return std::any_of(vanished.shards.begin(), vanished.shards.end(), [&](const Vanished::OfShard& lost) {
        return lost.shard == shard.key() && shard.segments.front().number < lost.last_segment;
      });
    });
  }
  if (vanished.shards.empty()) return sample.newest_file && *sample.newest_file > than;
  // As wal/vanished.h has it, of a sample without the one before.
  bool all = true;
  for (const Vanished::OfShard& lost : vanished.shards) {
    const auto shard = std::find_if(sample.shards.begin(), sample.shards.end(),
                                    [&](const wal::Shard& one) { return one.key() == lost.shard; });
    bool follows = false;
    for (const wal::Segment& segment : shard == sample.shards.end() ? std::vector<wal::Segment>() : shard->segments) {
      if (segment.number > lost.last_segment) follows = true;
      if (segment.number <= lost.last_segment && segment.modified > than && segment.bytes > 0) return true;
    }
    all = all && follows;
  }
  return all;
}

}  // namespace

VanishState::VanishState(Ledger& ledger) {
  // "<process>\n<look>"
  const std::string look = ledger.kept(kLookKey).value_or("");
  if (const std::size_t end = look.find('\n'); end != std::string::npos) {
    process_ = look.substr(0, end);
    knew_process_ = !process_.empty();
    before_ = wal::last_look_from(look.substr(end + 1));
  }
  const auto text = ledger.kept(kVanishedKey);
  const auto json = nlohmann::json::parse(text.value_or(""), nullptr, /*allow_exceptions=*/false);
  try {
    if (!json.is_object()) return;
    Vanished kept;
    const int cause = json.at("cause").get<int>();
    kept.cause = cause == 0   ? Vanished::Cause::directory
                 : cause == 2 ? Vanished::Cause::segments
                              : Vanished::Cause::files;
    kept.extent = {json.at("files").get<std::uint64_t>(), json.at("bytes").get<std::uint64_t>()};
    kept.last_seen = Time(Duration(json.at("last_seen").get<std::int64_t>()));
    kept.missed = Time(Duration(json.at("missed").get<std::int64_t>()));
    layout_ = json.at("node").get<bool>() ? wal::Layout::node : wal::Layout::segments;
    if (kept.cause == Vanished::Cause::files && layout_ == wal::Layout::segments) kept.cause = Vanished::Cause::folders;
    if (process_.empty()) process_ = json.at("process").get<std::string>();
    under_server_ = json.value("under_server", true);
    for (const auto& shard : json.value("shards", nlohmann::json::array())) {
      kept.shards.push_back(
          {{shard.at(0).get<std::string>(), shard.at(1).get<std::string>(), shard.at(2)}, shard.at(3)});
    }
    standing_ = kept;
    is_of_before_ = true;
  } catch (const nlohmann::json::exception&) {
    return;  // written by another version: nothing is known of before
  }
}

void VanishState::keep(Ledger& ledger) const {
  nlohmann::json json;
  if (standing_) {
    json = {{"cause", standing_->cause == Vanished::Cause::directory  ? 0
                      : standing_->cause == Vanished::Cause::segments ? 2
                                                                      : 1},
            {"files", standing_->extent.files},
            {"bytes", standing_->extent.bytes},
            {"last_seen", standing_->last_seen.time_since_epoch().count()},
            {"missed", standing_->missed.time_since_epoch().count()},
            {"node", layout_ == wal::Layout::node},
            {"process", process_},
            {"under_server", under_server_}};
    const std::size_t kept = std::min(standing_->shards.size(), kMostLost);
    for (const auto& [shard, last] : std::span(standing_->shards).first(kept)) {
      json["shards"].push_back({to_valid_utf8(shard.database), to_valid_utf8(shard.retention_policy), shard.id, last});
    }
  }
  ledger.keep(kVanishedKey, json.dump());
}

// 3.x: whether a file came after a pause in which the server may have been stopped.
bool VanishState::may_have_started(const wal::Sample& sample, Duration flush_interval) {
  if (!wrote_) return shows_newer(sample, *standing_, /*under_server=*/false);
  const Duration pause = std::max(kLeastPause, 3 * flush_interval);
  bool paused = false;
  for (const wal::Period& period : sample.periods) {
    if (!period.persisted || *period.persisted <= *wrote_) continue;
    paused |= *period.persisted - *wrote_ >= pause;
    wrote_ = period.persisted;
  }
  return paused;
}

void VanishState::keep_look(const WalState& wal, Ledger& ledger, Now now) {
  const auto& sample = wal.sample();
  // One that misses files is kept once it is known what to make of them.
  if (sample == nullptr || suspected_ || kept_look_ == sample->taken_at) return;
  if (sample->vanished && sample->vanished->number != number_) return;
  kept_look_ = sample->taken_at;
  next_look_ = now.steady + kKeepLookEvery;
  ledger.keep(kLookKey, to_valid_utf8(process_) + "\n" + wal::last_look_text(*sample));
}

void VanishState::keep_look_now_and_then(const WalState& wal, Ledger& ledger, Now now) {
  if (!wal.error().empty() || now.steady >= next_look_) keep_look(wal, ledger, now);
}

bool VanishState::take(const wal::Sample& sample, const ServerState& server, Ledger& ledger) {
  const bool is_first = std::exchange(before_, nullptr) != nullptr;
  layout_ = sample.layout;
  const std::optional<Vanished>& found = sample.vanished;
  if (!found || found->over) {
    const bool stays = standing_ && !found && is_of_before_ && !shows_newer(sample, *standing_, under_server_);
    if (standing_ && !stays) {
      ledger.log()->info("the WAL's files are accounted for again [{}]", ledger.target());
      standing_.reset();
      keep(ledger);
      next_look_ = {};
    }
    suspected_.reset();
    excused_ = {};
    note_newest(sample);
    number_ = found ? found->number : 0;
    starts_before_ = starts_;
    return false;
  }
  if (found->number == number_) {
    if (!suspected_) starts_before_ = starts_;
    if (standing_ && !under_server_ && layout_ == wal::Layout::node &&
        may_have_started(sample, server.node().rules.flush_interval)) {
      ledger.log()->info("InfluxDB may have been started after the WAL's files were moved [{}]", ledger.target());
      excused_ = found->extent;
      standing_.reset();
      keep(ledger);
    }
    return false;
  }
  number_ = found->number;
  suspected_ = found;
  missed_before_ = is_first;
  next_look_ = {};
  may_be_emptied_ =
      found->cause == Vanished::Cause::front && policy::leaves_what_is_kept(sample, kept_of(server.node()));
  note_newest(sample);
  if (server.is_asked()) return true;
  judge(server, /*ran=*/true, ledger);
  return false;
}

bool VanishState::answered(const ServerState& server, Ledger& ledger) {
  const influxdb::ServerFacts& facts = *server.facts();
  if (facts.up) {
    const bool is_other = (!process_.empty() && !facts.process_id.empty() && facts.process_id != process_) ||
                          (facts.started && started_ && std::chrono::abs(*facts.started - *started_) > kStartTold);
    if (facts.started) started_ = facts.started;
    if (was_down_ || is_other) ++starts_;
    if (!facts.process_id.empty()) process_ = facts.process_id;
  }
  was_down_ = !facts.up;
  const auto started_after = [&](Time time) { return facts.started && *facts.started > time + kStartTold; };
  if (standing_ && (starts_ != starts_before_ || started_after(standing_->missed))) {
    ledger.log()->warn("InfluxDB was started again: what the vanished files alone held is lost [{}]", ledger.target());
    excused_ += standing_->extent;
    standing_.reset();
    keep(ledger);
  }
  if (!suspected_) return false;
  if (facts.asked_at < suspected_->missed || !start_asked_) return true;
  const bool ran = facts.started && *facts.started + kStartTold < suspected_->last_seen;
  // An earlier process looked for the last time: what was started behind that was started since.
  const bool started_since = missed_before_ && facts.started && *facts.started > suspected_->last_seen;
  if (!facts.up || started_since || started_after(suspected_->last_seen) || (starts_ != starts_before_ && !ran)) {
    excuse("while InfluxDB did not run", ledger);
  } else {
    // While this exporter did not run, InfluxDB may have been started.
    judge(server, /*ran=*/!missed_before_ || ran || knew_process_, ledger);
  }
  return false;
}

void VanishState::judge(const ServerState& server, bool ran, Ledger& ledger) {
  const std::string& version = server.rules().server.version;
  if (may_be_emptied_ && !policy::leaves_every_manifest(version).value_or(false)) {
    return excuse("as a snapshot with nothing to persist makes InfluxDB " +
                      (version.empty() ? std::string("before 3.11.4") : version) + " do",
                  ledger);
  }
  standing_ = std::exchange(suspected_, std::nullopt);
  if (excused_.files < standing_->extent.files) {
    standing_->extent.files -= excused_.files;
    standing_->extent.bytes -= std::min(excused_.bytes, standing_->extent.bytes);
  }
  under_server_ = ran && server.is_asked();
  starts_before_ = starts_;
  is_of_before_ = false;
  ledger.log()->log(under_server_ ? spdlog::level::err : spdlog::level::warn, "{} [{}]", text(), ledger.target());
  keep(ledger);
}

void VanishState::excuse(const std::string& why, Ledger& ledger) {
  ledger.log()->info("{} of the WAL vanished, {} [{}]", count_of(suspected_->extent.files, "file"), why,
                     ledger.target());
  if (!standing_) excused_ = suspected_->extent;
  suspected_.reset();
  starts_before_ = starts_;
}

void VanishState::note_newest(const wal::Sample& sample) {
  for (const wal::Period& period : sample.periods) {
    if (period.persisted && (!wrote_ || *period.persisted > *wrote_)) wrote_ = period.persisted;
  }
}

std::string VanishState::text() const {
  return standing_ ? policy::describe(*standing_, layout_, under_server_) : std::string();
}

}  // namespace wal_exporter::control
