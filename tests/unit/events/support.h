// What the tests of hooks share: events, a memory that is a list, and waiting for
// a thread without sleeping.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "events/event.h"
#include "events/hook_memory.h"
#include "events/runner.h"

namespace wal_exporter::events {

inline const Time kNow = Time(std::chrono::seconds(1'769'769'000));  // 2026-01-30T10:30:00Z

inline Event health_event(std::int64_t id, const std::string& to, Severity severity, Time time = kNow) {
  Event event;
  event.id = id;
  event.time = time;
  event.target = "plant";
  event.type = Type::health;
  event.severity = severity;
  event.summary = "health -> " + to;
  event.detail = R"({"to":")" + to + R"("})";
  return event;
}

// 10 kB of what breaks formats, and bytes that are no text.
inline std::string hostile_text() {
  std::string text = "\"quoted\" \\ back\n<!channel> & <b>bold</b>\t\xff\xc3 \x01 {{summary}} ";
  while (text.size() < 10'000) text += "é\"\n<&>";
  return text;
}

// The audit and the values, as lists.
class FakeMemory final : public HookMemory {
 public:
  Result<std::vector<Event>> events_after(std::int64_t id, std::size_t limit) override {
    std::vector<Event> out;
    {
      const MutexLock lock(mutex_);
      if (fails_) return failure(ErrorKind::unavailable, "the disk is gone");
      for (const Event& event : events_) {
        if (event.id > id && out.size() < limit) out.push_back(event);
      }
      if (!out.empty()) read_ = out.back().id;
    }
    if (was_read) was_read();
    return out;
  }
  Result<std::int64_t> newest_id() override {
    const MutexLock lock(mutex_);
    return events_.empty() ? 0 : events_.back().id;
  }
  Result<std::optional<std::string>> get(const std::string& key) override {
    const MutexLock lock(mutex_);
    if (fails_) return failure(ErrorKind::unavailable, "the disk is gone");
    const auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional<std::string>(found->second);
  }
  Result<void> put(const std::string& key, const std::string& value) override {
    const MutexLock lock(mutex_);
    if (fails_) return failure(ErrorKind::unavailable, "the disk is full");
    values_[key] = value;
    ++writes_;
    return {};
  }

  void add(Event event) {
    const MutexLock lock(mutex_);
    events_.push_back(std::move(event));
  }
  void trim(std::int64_t up_to) {
    const MutexLock lock(mutex_);
    std::erase_if(events_, [&](const Event& event) { return event.id <= up_to; });
  }
  void fail(bool fails) {
    const MutexLock lock(mutex_);
    fails_ = fails;
  }
  [[nodiscard]] std::uint64_t writes() const {
    const MutexLock lock(mutex_);
    return writes_;
  }
  // The newest id that somebody was given.
  [[nodiscard]] std::int64_t read() const {
    const MutexLock lock(mutex_);
    return read_;
  }

  std::function<void()> was_read;  // set before anybody reads

 private:
  mutable Mutex mutex_;
  bool fails_ WAL_EXPORTER_GUARDED_BY(mutex_) = false;
  std::uint64_t writes_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  std::int64_t read_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
  std::vector<Event> events_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::map<std::string, std::string> values_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

// Everything a hook needs, with a clock that stands still.
class Bench {
 public:
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>(kNow);
  std::shared_ptr<Bus> bus = std::make_shared<Bus>();
  std::shared_ptr<FakeMemory> memory = std::make_shared<FakeMemory>();
  std::atomic<double> jitter{0};

  Bench() {
    memory->was_read = [this] { note(); };
  }

  HookServices services() {
    return {clock, null_log(), bus, memory, [this] { note(); }, [this] { return jitter.load(); }};
  }

  // Kept, then told, as a target does. With id 0 it is told alone.
  void happens(const Event& event) {
    if (event.id > 0) memory->add(event);
    bus->publish(event);
  }

  // Until `condition` holds; it is looked at whenever a status changed
  // or events were read.
  template <class Condition>
  [[nodiscard]] bool until(const Condition& condition) {
    SystemClock system;
    const auto deadline = system.steady() + std::chrono::seconds(30);
    while (true) {
      std::uint64_t seen = 0;
      {
        const MutexLock lock(mutex_);
        seen = notes_;
      }
      if (condition()) return true;
      const MutexLock lock(mutex_);
      if (system.steady() >= deadline) return false;
      if (notes_ == seen) system.wait_until(noted_, mutex_, deadline);
    }
  }
  // Likewise, while the clock goes on by `step` again and again: for a pause whose
  // beginning is not known. Between two steps the others get a moment, so that the
  // clock does not run years ahead of a thread that has to wait for a processor.
  template <class Condition>
  [[nodiscard]] bool until(const Condition& condition, Duration step) {
    SystemClock system;
    const auto deadline = system.steady() + std::chrono::seconds(30);
    while (!condition()) {
      if (system.steady() >= deadline) return false;
      clock->advance(step);
      const MutexLock lock(mutex_);
      system.wait_until(noted_, mutex_, system.steady() + std::chrono::milliseconds(1));
    }
    return true;
  }
  void note() {
    const MutexLock lock(mutex_);
    ++notes_;
    noted_.notify_all();
  }

 private:
  Mutex mutex_;
  CondVar noted_;
  std::uint64_t notes_ WAL_EXPORTER_GUARDED_BY(mutex_) = 0;
};

}  // namespace wal_exporter::events
