// What the tests of web/ share: a target to show, a fake for Commands, and a
// client on a raw socket.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mutex.h"
#include "metrics/page.h"
#include "view/commands.h"
#include "view/view.h"
#include "web/server.h"

namespace wal_exporter::web {

inline Time at(const char* text) {
  return *parse_time(text);
}

inline const Time kNow = at("2026-11-23T10:00:00.000Z");

inline view::TargetView healthy_target(const std::string& name) {
  auto sample = std::make_shared<wal::Sample>();
  sample->taken_at = kNow - std::chrono::seconds(30);
  sample->pending = {15, 512 * kMiB};
  view::TargetView target;
  target.name = name;
  target.wal_directory = "/var/lib/influxdb/wal";
  target.version = wal::Generation::v1;
  target.method = "backup";
  target.health = policy::Health::healthy;
  target.sample = sample;
  target.last_sample_success = true;
  target.stale_at = kNow + std::chrono::minutes(4);
  target.recommendations = {"WAL health is optimal", "Continue current write patterns"};
  target.last_checkpoint = at("2026-11-23T09:30:00.000Z");
  target.cooldown = std::chrono::minutes(5);
  return target;
}

inline std::shared_ptr<const view::View> view_of(std::vector<view::TargetView> targets) {
  auto view = std::make_shared<view::View>();
  for (auto& target : targets) view->targets.push_back(std::make_shared<view::TargetView>(std::move(target)));
  return view;
}

inline view::CheckpointAnswer ended(influxdb::OutcomeKind kind, const std::string& message = {}) {
  view::CheckpointAnswer answer;
  answer.state = view::CheckpointAnswer::State::ended;
  answer.timestamp = kNow;
  view::CheckpointRun run;
  run.id = 7;
  run.started = kNow - std::chrono::seconds(1);
  run.ended = kNow;
  run.outcome = influxdb::Outcome{kind, message, {3, 28 * kMiB}, 2, {}, run.started, std::chrono::seconds(1)};
  answer.run = run;
  return answer;
}

class FakeCommands final : public view::Commands {
 public:
  // Blocks while `hold` is set, as a checkpoint that takes long; for a wait of 0 not at all.
  Result<view::CheckpointAnswer> checkpoint(const view::CheckpointCommand& command) override {
    const MutexLock lock(mutex_);
    asked_.push_back(command);
    changed_.notify_all();
    if (command.wait == Duration::zero()) return running();
    SystemClock clock;
    const auto deadline = clock.steady() + std::chrono::seconds(20);
    while (hold_ && clock.steady() < deadline) clock.wait_until(changed_, mutex_, deadline);
    return answer_;
  }
  std::vector<view::PauseCommand> paused;
  std::vector<view::AlertCommand> alerts;
  Result<view::AlertAnswer> alert_answer = view::AlertAnswer{view::AlertAnswer::State::started, "started", {}, 9};
  Result<view::PrepareRestartAnswer> prepare_restart(const view::PrepareRestartCommand&) override { return prepared; }
  Result<view::AlertAnswer> alert(const view::AlertCommand& command) override {
    alerts.push_back(command);
    return alert_answer;
  }
  Result<view::PauseAnswer> pause(const view::PauseCommand& command) override {
    paused.push_back(command);
    view::PauseAnswer answer;
    answer.timestamp = kNow;
    if (command.length) answer.until = kNow + *command.length;
    answer.message = "done";
    return answer;
  }
  Result<view::ReloadAnswer> reload() override {
    const MutexLock lock(mutex_);
    return reload_;
  }

  void answer(Result<view::CheckpointAnswer> answer) {
    const MutexLock lock(mutex_);
    answer_ = std::move(answer);
  }
  void reload_with(Result<view::ReloadAnswer> result) {
    const MutexLock lock(mutex_);
    reload_ = std::move(result);
  }
  void hold(bool value) {
    const MutexLock lock(mutex_);
    hold_ = value;
    changed_.notify_all();
  }
  std::vector<view::CheckpointCommand> asked() {
    const MutexLock lock(mutex_);
    return asked_;
  }
  bool wait_asked(std::size_t count) {
    SystemClock clock;
    const auto deadline = clock.steady() + std::chrono::seconds(10);
    const MutexLock lock(mutex_);
    while (asked_.size() < count && clock.steady() < deadline) clock.wait_until(changed_, mutex_, deadline);
    return asked_.size() >= count;
  }

  view::PrepareRestartAnswer prepared;  // set before the server starts

  static view::CheckpointAnswer running() {
    view::CheckpointAnswer answer;
    answer.state = view::CheckpointAnswer::State::running;
    answer.timestamp = kNow;
    answer.run = view::CheckpointRun{9, policy::Reason::manual, kNow, std::nullopt, std::nullopt};
    return answer;
  }

  Result<view::HistoryPage> history(const std::string& target, std::optional<std::int64_t> before,
                                    std::size_t limit) override {
    if (broken) return failure(ErrorKind::corrupt, "reading the history: the state file is damaged");
    view::HistoryPage page;
    for (std::int64_t id = before.value_or(6) - 1; id > 0 && page.entries.size() < limit; --id) {
      page.entries.push_back({id, kNow, target, "decision", "entry", R"({"action":"none"})"});
    }
    if (!page.entries.empty() && page.entries.back().id > 1) page.next_before = page.entries.back().id;
    return page;
  }
  // Events 1 to `newest`, all of the health of plant.
  Result<view::EventPage> events(const view::EventFilter& filter, std::optional<std::int64_t> before,
                                 std::size_t limit) override {
    asked_for = filter;
    if (broken) return failure(ErrorKind::corrupt, "reading the history: the state file is damaged");
    view::EventPage page;
    for (std::int64_t id = before.value_or(newest + 1) - 1; id > 0 && page.events.size() < limit; --id) {
      page.events.push_back(event(id));
    }
    if (!page.events.empty() && page.events.back().id > 1) page.next_before = page.events.back().id;
    return page;
  }
  Result<std::vector<events::Event>> events_after(const view::EventFilter&, std::int64_t after, std::size_t limit,
                                                  Duration) override {
    if (broken) return failure(ErrorKind::cancelled, "the exporter is shutting down");
    std::vector<events::Event> found;
    for (std::int64_t id = after + 1; id <= newest && found.size() < limit; ++id) found.push_back(event(id));
    return found;
  }
  Result<std::int64_t> newest_event() override { return newest.load(); }
  static events::Event event(std::int64_t id) {
    events::Event out;
    out.id = id;
    out.time = kNow;
    out.target = "plant";
    out.summary = "health: healthy -> warning\nsecond line";
    out.detail = R"({"to":"warning"})";
    return out;
  }

  Result<std::vector<view::SamplePoint>> samples(const std::string&, std::optional<Time> since,
                                                 std::size_t limit) override {
    view::SampleHistory history;
    for (int minute = 0; minute < 5; ++minute) {
      history.add({kNow - std::chrono::minutes(5 - minute), policy::Health::warning, {31, 1000}, {2, 5}});
    }
    history.add_gap(kNow);
    return history.points(since, limit);
  }
  Result<view::ProbeAnswer> probe(const std::string& target, Duration wait) override {
    probe_wait = wait;
    if (target != "plant") return failure(ErrorKind::not_found, "no target named " + target);
    return view::ProbeAnswer{std::make_shared<const view::TargetView>(probed), probe_in_time};
  }
  Result<view::CheckpointPlan> plan(const std::string& target, bool at_once) override {
    view::CheckpointPlan plan;
    plan.target = target;
    plan.method = "nudge";
    plan.mode = at_once ? "at_once" : "patient";
    plan.points = 7;
    return plan;
  }
  Result<std::optional<view::CheckpointRun>> run(const std::string&, std::int64_t id) override {
    if (id != 7) return std::optional<view::CheckpointRun>();
    return ended(influxdb::OutcomeKind::succeeded).run;
  }

  view::TargetView probed = healthy_target("plant");
  bool probe_in_time = true;
  Duration probe_wait{};
  std::atomic<bool> broken = false;
  std::atomic<std::int64_t> newest = 5;
  view::EventFilter asked_for;

 private:
  Mutex mutex_;
  CondVar changed_;
  bool hold_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  Result<view::CheckpointAnswer> answer_ WAL_EXPORTER_GUARDED_BY(mutex_) = ended(influxdb::OutcomeKind::succeeded);
  Result<view::ReloadAnswer> reload_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::vector<view::CheckpointCommand> asked_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

// Everything a handler or a server needs.
struct World {
  ManualClock clock{kNow};
  view::ViewHolder views;
  FakeCommands commands;
  metrics::MetricsPage metrics{clock};

  World() { views.publish(view_of({healthy_target("plant"), healthy_target("a/b \"c\"")})); }

  Dependencies dependencies() { return {views, commands, metrics, clock, null_log()}; }
};

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names as sent
  std::string body;
};

// One connection to a server of the test.
class Client {
 public:
  explicit Client(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  // Over the Unix socket at `path`.
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    connected_ = connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  [[nodiscard]] bool connected() const { return connected_; }
  void send_no_more() { shutdown(fd_.get(), SHUT_WR); }

  // False once the other side has gone.
  bool send_text(const std::string& text) {
    std::size_t sent = 0;
    while (sent < text.size()) {
      const auto count = send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return false;
      sent += static_cast<std::size_t>(count);
    }
    return true;
  }

  // Up to the end of the connection; nullopt: it did not end in 10 s.
  std::optional<std::string> read_to_end() {
    return read_until([](const std::string&) { return false; });
  }

  // One answer, by its Content-Length, or up to the end of the connection.
  std::optional<std::string> read_answer() {
    return read_until([](const std::string& text) {
      const auto end = text.find("\r\n\r\n");
      const auto length = text.find("Content-Length: ");
      if (end == std::string::npos || length > end) return false;
      return text.size() - end - 4 >= std::stoul(text.substr(length + 16));
    });
  }

  template <typename Condition>
  std::optional<std::string> read_until(const Condition& is_whole) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::string out;
    char buffer[4096];
    while (!is_whole(out)) {
      if (std::chrono::steady_clock::now() > deadline) return std::nullopt;
      pollfd ready{fd_.get(), POLLIN, 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      const auto count = recv(fd_.get(), buffer, sizeof(buffer), 0);
      if (count <= 0) return out;
      out.append(buffer, static_cast<std::size_t>(count));
    }
    return out;
  }

 private:
  Fd fd_;
  bool connected_ = false;
};

inline Answer parse_answer(const std::string& text) {
  Answer answer;
  const auto end = text.find("\r\n\r\n");
  if (end == std::string::npos || text.size() < 12) return answer;
  answer.status = std::stoi(text.substr(9, 3));
  answer.body = text.substr(end + 4);
  for (std::size_t start = text.find("\r\n") + 2; start < end;) {
    const auto stop = text.find("\r\n", start);
    const auto line = text.substr(start, stop - start);
    const auto colon = line.find(": ");
    if (colon != std::string::npos) answer.headers[line.substr(0, colon)] = line.substr(colon + 2);
    start = stop + 2;
  }
  return answer;
}

inline Answer send_raw(int port, const std::string& request) {
  Client client(port);
  client.send_text(request);
  return parse_answer(client.read_answer().value_or(""));
}

// On a connection of its own, which ends with the answer.
inline Answer ask(int port, const std::string& method, const std::string& target, const std::string& headers = {}) {
  return send_raw(port,
                  method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n");
}

}  // namespace wal_exporter::web
