#include "unit/control/bench.h"

#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>

namespace wal_exporter::control {
namespace {

// So many calls without the time moving on, and nothing done: Control spins.
constexpr int kMostCallsAtOnce = 20;

}  // namespace

Result<std::optional<std::string>> BenchStore::get(const std::string& /*target*/, const std::string& key) {
  if (fails_reads) return failure(ErrorKind::unavailable, "the state database can't be read");
  const auto found = values.find(key);
  return found == values.end() ? std::nullopt : std::optional(found->second);
}

Result<void> BenchStore::put(const std::string& /*target*/, const std::string& key, const std::string& value) {
  if (fails_put && fails_put(key)) return failure(ErrorKind::unavailable, "no space left for values");
  values[key] = value;
  ++puts;
  return {};
}

Result<std::int64_t> BenchStore::append(const state::AuditEntry& entry) {
  if (fails_appends) return failure(ErrorKind::unavailable, "no space left for the audit");
  return audit_->append(entry);
}

Result<std::vector<state::AuditEntry>> BenchStore::history(const std::string& target,
                                                           std::optional<std::int64_t> before, std::size_t limit) {
  return audit_->history(target, before, limit);
}

Result<std::vector<state::AuditEntry>> BenchStore::events(const state::EventQuery& query) {
  return audit_->events(query);
}

Result<std::int64_t> BenchStore::newest_id() {
  return audit_->newest_id();
}

std::vector<state::AuditEntry> BenchStore::entries(const std::string& kind) {
  std::vector<state::AuditEntry> out = history("plant", std::nullopt, 100'000).value();
  if (!kind.empty()) std::erase_if(out, [&](const state::AuditEntry& entry) { return entry.kind != kind; });
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<nlohmann::json> BenchStore::details(const std::string& kind) {
  std::vector<nlohmann::json> out;
  for (const state::AuditEntry& entry : entries(kind)) out.push_back(nlohmann::json::parse(entry.detail));
  return out;
}

std::string BenchStore::summary_of(const std::string& kind) {
  const auto found = entries(kind);
  return found.empty() ? std::string() : found.back().summary;
}

std::vector<std::string> BenchStore::steps() {
  std::vector<std::string> out;
  for (const auto& detail : details("wal.restart")) out.push_back(detail.at("step"));
  return out;
}

std::vector<std::string> BenchStore::healths() {
  std::vector<std::string> out;
  for (const auto& detail : details("wal.health")) {
    out.push_back(detail.at("from").get<std::string>() + " -> " + detail.at("to").get<std::string>());
  }
  return out;
}

World::World() : wal(segments(5)), version(wal::Generation::v1), server(server_up("1.6.7")) {
  checkpoint_does = [this](const RunCheckpoint&) {
    wal = segments(0);
    influxdb::Outcome outcome;
    outcome.kind = influxdb::OutcomeKind::succeeded;
    outcome.message = "nothing is left";
    return outcome;
  };
}

void World::forget() {
  open_ = {};
  replies_.clear();
  queue_.clear();
}

Bench::Bench()
    : log_(std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_st>(*log_text_))) {
  log_->set_pattern("%l: %v");
  log_->set_level(spdlog::level::debug);
  settings.name = "plant";
  settings.influxdb.version = wal::Generation::v1;
  settings.wal.directory = "/var/lib/influxdb/wal";
  settings.rules.sample_interval = std::chrono::minutes(1);
  settings.rules.schedule.reset();
  settings.rules.min_free_bytes = 0;
}

void Bench::start(Purpose purpose) {
  forget();
  control_ = std::make_unique<Control>(settings, purpose, store, bus, log_, now_);
  on_time();
}

void Bench::end() {
  stop();
  for (int i = 0; i < 100 && !control_->has_ended(); ++i) pass(std::chrono::seconds(1));
  EXPECT_TRUE(control_->has_ended());
  control_->close(now_);
  control_.reset();
}

Bench::Left Bench::left() {
  return {store->values, store->entries()};
}

void Bench::kill(const Left& left) {
  control_.reset();
  store = std::make_shared<BenchStore>();
  store->values = left.values;
  for (const state::AuditEntry& entry : left.audit) EXPECT_TRUE(store->append(entry).has_value());
}

void Bench::pass(Duration time) {
  const SteadyTime until = now_.steady + time;
  pass_until([&] { return now_.steady >= until; }, time);
}

void Bench::pass_until(const std::function<bool()>& holds, Duration most) {
  const SteadyTime until = now_.steady + most;
  int at_once = 0;
  while (!holds()) {
    ASSERT_TRUE(now_.steady < until) << "not within " << format_duration(most) << "; steps "
                                     << ::testing::PrintToString(store->steps()) << "; log:\n"
                                     << log().substr(0, 3000);
    const SteadyTime next = std::min(control_->next(now_), until);
    at_once = next <= now_.steady ? at_once + 1 : 0;
    ASSERT_LT(at_once, kMostCallsAtOnce) << "next() is now, again and again";
    if (next > now_.steady) {
      now_.wall += next - now_.steady;
      now_.steady = next;
    }
    on_time();
  }
}

void Bench::pass_until_step(const std::string& step) {
  pass_until([&] {
    const auto told = store->steps();
    return std::find(told.begin(), told.end(), step) != told.end();
  });
}

void Bench::freeze(Duration time) {
  now_.wall += time;
  now_.steady += time;
}

std::uint64_t Bench::checkpoint(view::CheckpointCommand command) {
  std::uint64_t number = 0;
  command.target = settings.name;
  if (command.actor.empty()) command.actor = "test";
  call([&] { number = control_->checkpoint(std::move(command), now_); });
  return number;
}

std::uint64_t Bench::prepare_restart(view::PrepareRestartCommand command) {
  std::uint64_t number = 0;
  command.target = settings.name;
  if (command.actor.empty()) command.actor = "test";
  call([&] { number = control_->prepare_restart(std::move(command), now_); });
  return number;
}

std::uint64_t Bench::alert(const std::vector<std::string>& instances, const std::string& name) {
  std::uint64_t number = 0;
  call([&] { number = control_->alert({settings.name, name, instances}, now_); });
  return number;
}

Result<view::PauseAnswer> Bench::pause(std::optional<Duration> length, const std::string& actor) {
  Result<view::PauseAnswer> answer;
  call([&] { answer = control_->pause({settings.name, length, actor}, now_); });
  return answer;
}

void Bench::leave() {
  call([&] { control_->leave(now_); });
}

void Bench::change() {
  call([&] { control_->on_change(now_); });
}

void Bench::on_time() {
  call([&] { control_->on_time(now_); });
}

void Bench::on_trigger(std::optional<std::uint64_t> file, Time time) {
  call([&] { control_->on_trigger(file, time); });
}

void Bench::stop() {
  call([&] { control_->stop(now_); });
}

void World::call(const std::function<void()>& input) {
  input();
  work();
}

// What an answer brings about is done after what was wanted before. Where a test calls
// from `during`, the outer one goes on.
void World::work() {
  for (Effect& effect : control_->take_effects()) queue_.push_back(std::move(effect));
  if (working_) return;
  working_ = true;
  while (!queue_.empty()) {
    const Effect effect = std::move(queue_.front());
    queue_.pop_front();
    if (during) during(effect);
    take(effect);
    for (Effect& more : control_->take_effects()) queue_.push_back(std::move(more));
  }
  working_ = false;
}

void World::take(const Effect& effect) {
  if (const auto* sample = std::get_if<TakeSample>(&effect)) {
    EXPECT_FALSE(open_.sample.has_value()) << "two samples at once";
    open_.sample = *sample;
    ++wanted.samples;
    if (answers.samples) give_sample();
  } else if (const auto* question = std::get_if<AskServer>(&effect)) {
    EXPECT_FALSE(open_.question.has_value()) << "two questions at once";
    open_.question = *question;
    open_.asked_at = now_.wall;
    ++wanted.questions;
    if (answers.questions) give_answer();
  } else if (const auto* run = std::get_if<RunCheckpoint>(&effect)) {
    EXPECT_FALSE(open_.checkpoint.has_value()) << "two checkpoints at once";
    EXPECT_FALSE(open_.restart) << "a checkpoint while InfluxDB is being restarted";
    open_.checkpoint = *run;
    wanted.checkpoints.push_back(*run);
    if (answers.checkpoints) end_checkpoint(checkpoint_does(*run));
  } else if (std::holds_alternative<StopCheckpoint>(effect)) {
    ++wanted.checkpoint_stops;
  } else if (std::holds_alternative<CheckRestart>(effect)) {
    EXPECT_FALSE(open_.check) << "two checks at once";
    open_.check = true;
    if (answers.checks) give_check(check);
  } else if (std::holds_alternative<TakeLock>(effect)) {
    EXPECT_FALSE(open_.lock) << "the lock twice at once";
    open_.lock = true;
    if (answers.locks) {
      give_lock(locked_elsewhere ? Result<HeldLock>(failure(ErrorKind::conflict, "another process acts on plant"))
                                 : Result<HeldLock>(std::make_shared<const int>(1)));
    }
  } else if (std::holds_alternative<RestartInfluxdb>(effect)) {
    EXPECT_FALSE(open_.restart) << "two restarts at once";
    EXPECT_FALSE(open_.checkpoint.has_value()) << "a restart during a checkpoint";
    EXPECT_TRUE(lock_held());
    open_.restart = true;
    ++wanted.restarts;
    if (answers.restarts) give_restarted(restarted);
  } else if (std::holds_alternative<StopRestart>(effect)) {
    ++wanted.restart_stops;
  } else if (const auto* reply = std::get_if<Reply>(&effect)) {
    EXPECT_TRUE(replies_.emplace(reply->request, reply->answer).second) << "answered twice";
  }
}

Result<std::shared_ptr<const wal::Sample>> World::read() const {
  if (!wal) return tl::unexpected(wal.error());
  auto sample = std::make_shared<wal::Sample>(*wal);
  sample->taken_at = now_.wall;
  sample->elapsed = elapsed;
  return sample;
}

void World::give_sample() {
  ASSERT_TRUE(open_.sample.has_value());
  SampleTaken taken;
  taken.number = std::exchange(open_.sample, std::nullopt)->number;
  taken.sample = read();
  taken.elapsed = elapsed;
  taken.version = version;
  taken.source = 1;
  call([&] { control_->on_sample(std::move(taken), now_); });
}

void World::give_answer() {
  ASSERT_TRUE(open_.question.has_value());
  open_.question.reset();
  ServerAnswer answer{server, node, metrics, std::nullopt, server_blockers, rewrites};
  answer.server.asked_at = open_.asked_at;
  call([&] { control_->on_answer(std::move(answer), now_); });
}

void World::end_checkpoint(influxdb::OutcomeKind kind, const std::string& message, bool stopped) {
  influxdb::Outcome outcome;
  outcome.kind = kind;
  outcome.message = message;
  end_checkpoint(std::move(outcome), stopped);
}

void World::end_checkpoint(influxdb::Outcome outcome, bool stopped) {
  ASSERT_TRUE(open_.checkpoint.has_value());
  RunEnded ended;
  ended.id = open_.checkpoint->id;
  ended.outcome = std::move(outcome);
  ended.outcome.started = open_.checkpoint->started;
  ended.after = read();
  ended.stopped = stopped;
  open_.checkpoint.reset();
  call([&] { control_->on_run_ended(std::move(ended), now_); });
}

void World::end_of_nothing(RunEnded ended) {
  call([&] { control_->on_run_ended(std::move(ended), now_); });
}

void World::give_check(const Result<std::string>& plan) {
  ASSERT_TRUE(std::exchange(open_.check, false));
  call([&] { control_->on_restart_checked(plan, now_); });
}

void World::give_lock(Result<HeldLock> lock) {
  ASSERT_TRUE(std::exchange(open_.lock, false));
  if (lock) lock_ = *lock;
  call([&] { control_->on_restart_locked(std::move(lock), now_); });
}

void World::give_restarted(const Result<std::string>& done) {
  ASSERT_TRUE(std::exchange(open_.restart, false));
  call([&] { control_->on_restarted(done, now_); });
}

std::size_t Bench::logged(const std::string& text) const {
  const std::string all = log();
  std::size_t count = 0;
  for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + text.size())) ++count;
  return count;
}

wal::Sample segments(std::uint64_t files) {
  wal::Sample sample;
  sample.pending = {files, files * 1000};
  sample.filesystem_avail_bytes = std::uint64_t{100} << 30U;
  sample.data_filesystem_avail_bytes = sample.filesystem_avail_bytes;
  for (std::uint64_t id = 1; id <= files; ++id) {
    wal::Shard shard;
    shard.database = "db";
    shard.retention_policy = "autogen";
    shard.id = id;
    shard.pending = {1, 1000};
    sample.shards.push_back(std::move(shard));
  }
  sample.hot_shards = files;
  return sample;
}

wal::Sample periods_until(Time newest, std::uint64_t files) {
  wal::Sample sample;
  sample.layout = wal::Layout::node;
  sample.filesystem_avail_bytes = std::uint64_t{100} << 30U;
  for (std::uint64_t i = 0; i < files; ++i) {
    const Time time = newest - std::chrono::seconds(files - 1 - i);
    sample.periods.push_back({i + 1, 100, time, time, time});
  }
  sample.pending = {files, files * 100};
  if (files > 0) {
    sample.oldest_pending = sample.periods.front().persisted;
    sample.newest_file = newest;
    sample.max_data_time = newest;
  }
  return sample;
}

influxdb::ServerFacts server_up(const std::string& version) {
  influxdb::ServerFacts facts;
  facts.up = true;
  facts.version = version;
  return facts;
}

influxdb::ServerFacts server_down() {
  influxdb::ServerFacts facts;
  facts.error = "connecting to 127.0.0.1:8086: Connection refused";
  facts.port_closed = true;
  return facts;
}

}  // namespace wal_exporter::control
