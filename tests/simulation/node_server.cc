#include "node_server.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace wal_exporter::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kPointBytes = 200;  // a file with one point
// More than a start ever reads here.
constexpr std::size_t kSnapshotTimesKept = 5000;

}  // namespace

NodeServer::NodeServer(Context& context, Disk& disk, Changed changed, const NodeOptions& options)
    : Server(context, disk, std::move(changed)), options_(options) {}

void NodeServer::heal() {
  Server::heal();
  next_ahead_ = Duration::zero();
  if (newest_damaged_) repair();
}

void NodeServer::write(std::uint64_t bytes) {
  if (!is_up()) return;
  buffer_write(bytes, wall() + std::exchange(next_ahead_, Duration::zero()), {});
}

void NodeServer::write_point(Time date, Answered answered) {
  if (hangs()) return context().schedule.in(seconds(10), [answered] { answered(WriteReply::unreachable); });
  if (!is_up()) return context().schedule.in(milliseconds(1), [answered] { answered(WriteReply::unreachable); });
  buffer_write(kPointBytes, date, std::move(answered));
}

void NodeServer::buffer_write(std::uint64_t bytes, Time date, Answered answered) {
  if (newest_damaged_) {
    if (answered) context().schedule.in(milliseconds(1), [answered] { answered(WriteReply::refused); });
    context().note("server ends itself: newest file damaged");
    return kill();
  }
  if (!buffer_) {
    buffer_ = Buffer{0, date, date, {}};
    // Flushes come at their own rhythm, not a whole interval after the first write.
    later(
        std::max<Duration>(context().random.between(Duration::zero(), options_.rules.flush_interval), milliseconds(1)),
        [this] { flush(); });
  }
  buffer_->bytes += bytes;
  buffer_->min_time = std::min(buffer_->min_time, date);
  buffer_->max_time = std::max(buffer_->max_time, date);
  if (answered) buffer_->waiting.push_back(std::move(answered));
}

void NodeServer::answer(std::vector<Answered> waiting, WriteReply reply) {
  for (Answered& one : waiting) context().schedule.in(milliseconds(1), [one, reply] { one(reply); });
}

void NodeServer::flush() {
  Buffer buffer = *std::exchange(buffer_, std::nullopt);
  const std::uint64_t room = disk().available(pending_bytes_ + retained_.bytes, context().schedule.steady());
  if (room < buffer.bytes) return answer(std::move(buffer.waiting), WriteReply::refused);
  pending_.push_back({++last_file_, buffer.bytes, wall(), buffer.min_time, buffer.max_time});
  pending_bytes_ += buffer.bytes;
  answer(std::move(buffer.waiting), WriteReply::written);
  tell_change();
  if (const std::size_t count = due(); count > 0 && !snapshotting_) snapshot(count);
}

std::size_t NodeServer::due() const {
  const wal::NodeRules& rules = options_.rules;
  if (pending_bytes_ > options_.buffer_bytes) return pending_.size();      // rule 5
  if (pending_.size() < rules.row_goal()) return 0;                        // rule 2
  if (pending_.size() >= 3 * rules.snapshot_size) return pending_.size();  // rule 4
  const Time boundary = rules.floor(*pending_.back().max_time);            // rule 3
  const auto stop = std::find_if(pending_.begin(), pending_.end(),
                                 [&](const wal::Period& period) { return *period.max_time >= boundary; });
  return static_cast<std::size_t>(stop - pending_.begin());
}

void NodeServer::snapshot(std::size_t count) {
  if (snapshots_fail()) return;
  snapshotting_ = true;
  const std::uint64_t up_to = pending_[count - 1].number;
  later(context().random.between(milliseconds(20), seconds(3)), [this, up_to] {
    snapshotting_ = false;
    if (disk().available(pending_bytes_ + retained_.bytes, context().schedule.steady()) < kMiB) return;
    while (!pending_.empty() && pending_.front().number <= up_to) {
      pending_bytes_ -= pending_.front().bytes;
      retained_ += {1, pending_.front().bytes};
      pending_.pop_front();
    }
    if (retained_.files > options_.rules.kept_files) {
      retained_.bytes = retained_.bytes / retained_.files * options_.rules.kept_files;
      retained_.files = options_.rules.kept_files;
    }
    snapshot_ = wal::Snapshot{++snapshot_files_, up_to, wall()};
    snapshot_times_.push_front(wall());
    if (snapshot_times_.size() > kSnapshotTimesKept) snapshot_times_.pop_back();
    tell_change();
  });
}

Duration NodeServer::replay_time() const {
  return milliseconds(200) + options_.replay_of_a_file * static_cast<std::int64_t>(pending_.size());
}

void NodeServer::lose_memory() {
  if (buffer_) answer(std::move(buffer_->waiting), WriteReply::unreachable);
  buffer_.reset();
  snapshotting_ = false;
}

void NodeServer::damage_newest() {
  if (pending_.empty()) return;
  newest_damaged_ = true;
  tell_change();
}

void NodeServer::repair() {
  newest_damaged_ = false;
  if (pending_.empty()) return;
  pending_bytes_ -= pending_.back().bytes;
  pending_.pop_back();
  restart();
}

std::shared_ptr<wal::Sample> NodeServer::read_wal() const {
  auto sample = std::make_shared<wal::Sample>();
  sample->layout = wal::Layout::node;
  sample->taken_at = context().schedule.wall();
  sample->pending = {pending_.size(), pending_bytes_};
  sample->retained = retained_;
  sample->periods.assign(pending_.begin(), pending_.end());
  if (newest_damaged_ && !sample->periods.empty()) {
    wal::Period& newest = sample->periods.back();
    newest.persisted.reset();
    newest.min_time.reset();
    newest.max_time.reset();
    sample->newest_file_damaged = true;
    sample->invalid.push_back({"newest", wal::InvalidReason::checksum, true, "damaged"});
  }
  for (const wal::Period& period : sample->periods) {
    if (period.persisted && (!sample->oldest_pending || *period.persisted < *sample->oldest_pending)) {
      sample->oldest_pending = period.persisted;
    }
    if (period.max_time && (!sample->max_data_time || *period.max_time > *sample->max_data_time)) {
      sample->max_data_time = period.max_time;
    }
  }
  sample->snapshot = snapshot_;
  sample->snapshot_files = snapshot_files_;
  sample->snapshot_times.assign(snapshot_times_.begin(), snapshot_times_.end());
  sample->written = {last_file_, last_file_ * kPointBytes};
  sample->filesystem_avail_bytes = disk().available(pending_bytes_ + retained_.bytes, context().schedule.steady());
  return sample;
}

influxdb::NodeFacts NodeServer::settings(bool readable) const {
  influxdb::NodeFacts facts;
  if (!readable) {
    facts.problems = {"the system tables can't be read"};
    return facts;
  }
  facts.snapshot_size = options_.rules.snapshot_size;
  facts.flush_interval = options_.rules.flush_interval;
  facts.gen1_duration = options_.rules.gen1_duration;
  facts.kept_files = options_.rules.kept_files;
  facts.lookback = options_.rules.lookback;
  return facts;
}

}  // namespace wal_exporter::simulation
