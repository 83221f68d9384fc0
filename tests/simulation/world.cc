#include "world.h"

namespace wal_exporter::simulation {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// 2026-01-01T00:00:00Z.
constexpr Time kStart{seconds(1767225600)};

Surroundings surroundings(Context& context, Disk& disk, const std::shared_ptr<SimulatedStore>& store,
                          SegmentServer* segments, NodeServer* node, const Scenario& scenario, Invariants& invariants) {
  return {context, disk, store, segments, node, scenario, invariants};
}

}  // namespace

World::World(std::uint64_t seed, bool prints)
    : context_(seed, prints, kStart),
      scenario_(draw_scenario(context_.random)),
      invariants_(context_),
      segments_(scenario_.generation == Generation::v3
                    ? nullptr
                    : std::make_unique<SegmentServer>(
                          context_, disk_, [this] { exporter_.changed(); }, scenario_.segments, scenario_.generation)),
      node_(scenario_.generation == Generation::v3
                ? std::make_unique<NodeServer>(
                      context_, disk_, [this] { exporter_.changed(); }, scenario_.node)
                : nullptr),
      exporter_(surroundings(context_, disk_, store_, segments_.get(), node_.get(), scenario_, invariants_)),
      faults_(surroundings(context_, disk_, store_, segments_.get(), node_.get(), scenario_, invariants_), exporter_) {
  Server& server = segments_ != nullptr ? static_cast<Server&>(*segments_) : static_cast<Server&>(*node_);
  server.set_ahead(scenario_.server_clock_ahead);
  if (segments_ != nullptr) segments_->lay_out();
  invariants_.server_is_ahead(scenario_.server_clock_ahead);
  server.start();
  exporter_.start(faults_.settings());
}

void World::run(Duration length) {
  next_write();
  next_burst();
  next_probe();
  next_weather();
  while (context_.schedule.run_next(SteadyTime(length))) {
  }
}

// By night a quarter, in a burst ten times as often.
void World::next_write() {
  Duration gap = context_.random.around(scenario_.load.gap);
  const auto hour = context_.schedule.wall().time_since_epoch() / hours(1) % 24;
  if (hour < 6 || hour >= 22) gap *= 4;
  const SteadyTime now = context_.schedule.steady();
  if (now < burst_until_) gap /= 10;
  if (now < silent_until_) gap = silent_until_ - now + seconds(1);
  context_.schedule.in(gap, [this] {
    write();
    next_write();
  });
}

void World::write() {
  const std::uint64_t bytes = context_.random.between(1, 2 * scenario_.load.bytes);
  if (segments_ != nullptr) segments_->write(bytes);
  if (node_ != nullptr) node_->write(bytes);
}

void World::next_burst() {
  context_.schedule.in(context_.random.around(scenario_.load.between_bursts), [this] {
    const SteadyTime now = context_.schedule.steady();
    if (scenario_.load.pauses && context_.random.coin()) {
      silent_until_ = now + context_.random.between(minutes(10), Duration(hours(12)));
    } else {
      burst_until_ = now + context_.random.between(minutes(1), Duration(minutes(30)));
    }
    next_burst();
  });
}

void World::next_probe() {
  context_.schedule.in(context_.random.around(hours(2)), [this] {
    exporter_.probe();
    next_probe();
  });
}

// Storms and calms by turns. A calm is long enough for every wait to run out.
void World::next_weather() {
  storm_ = !storm_;
  if (storm_) {
    faults_.storm();
  } else {
    faults_.calm();
  }
  const Duration length = storm_ ? context_.random.between(Duration(hours(2)), Duration(hours(48)))
                                 : context_.random.between(Duration(hours(1)), Duration(hours(12)));
  context_.schedule.in(length, [this] { next_weather(); });
}

}  // namespace wal_exporter::simulation
