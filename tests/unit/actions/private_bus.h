// A D-Bus daemon of the test's own, and a thread that plays systemd's manager on it.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/mutex.h"
#include "support.h"

namespace wal_exporter::actions {

class PrivateBus {
 public:
  PrivateBus() { start(""); }
  ~PrivateBus() { end(); }
  PrivateBus(const PrivateBus&) = delete;
  PrivateBus& operator=(const PrivateBus&) = delete;

  void start(const std::string& more_policy) {
    const std::string config = (folder_.path() / "bus.conf").string();
    std::ofstream(config) << "<busconfig><type>custom</type><listen>" << address() << "</listen>"
                          << "<auth>EXTERNAL</auth>"
                          << R"(<policy context="default"><allow send_destination="*" eavesdrop="true"/>)"
                          << R"(<allow eavesdrop="true"/><allow own="*"/></policy>)" << more_policy << "</busconfig>";
    std::string program = "/usr/bin/dbus-daemon";
    std::string config_argument = "--config-file=" + config;
    std::string foreground = "--nofork";
    char* arguments[] = {program.data(), config_argument.data(), foreground.data(), nullptr};
    ASSERT_EQ(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, arguments, environ), 0)
        << "the package dbus-daemon is missing";
    ASSERT_TRUE(within_a_minute([&] { return listens(); })) << "dbus-daemon did not start";
  }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    ::unlink(path().c_str());
  }
  [[nodiscard]] std::string address() const { return "unix:path=" + path(); }

 private:
  // The file is there a little before it does.
  [[nodiscard]] bool listens() const {
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, path().c_str(), sizeof to.sun_path - 1);
    return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  [[nodiscard]] std::string path() const { return (folder_.path() / "bus.sock").string(); }

  TempDir folder_;
  pid_t pid_ = -1;
};

// Answers as systemd does, by its script.
class FakeManager {
 public:
  struct Script {
    std::string load = "loaded";
    std::string active = "active";
    std::string sub = "running";
    std::string active_after = "active";
    std::string refusal;          // the error's name; empty: the restart is taken
    std::string result = "done";  // of the job; empty: it never ends
    bool signal_first = false;    // the job's end is told before the answer that names it
    bool other_job_first = false;
  };

  FakeManager(const std::string& address, Script script) : script_(std::move(script)) {
    EXPECT_GE(sd_bus_new(&bus_), 0);
    EXPECT_GE(sd_bus_set_address(bus_, address.c_str()), 0);
    EXPECT_GE(sd_bus_set_bus_client(bus_, 1), 0);
    EXPECT_GE(sd_bus_start(bus_), 0);
    EXPECT_GE(sd_bus_add_filter(bus_, nullptr, &FakeManager::on_message, this), 0);
    EXPECT_GE(sd_bus_request_name(bus_, "org.freedesktop.systemd1", 0), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeManager() {
    stopping_ = true;
    thread_.join();
    sd_bus_close_unref(bus_);
  }
  FakeManager(const FakeManager&) = delete;
  FakeManager& operator=(const FakeManager&) = delete;

  // "unit mode" of each restart that was asked for.
  [[nodiscard]] std::vector<std::string> restarts() {
    const MutexLock lock(mutex_);
    return restarts_;
  }

 private:
  static constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
  static constexpr const char* kJob = "/org/freedesktop/systemd1/job/7";

  void serve() {
    while (!stopping_) {
      const int progress = sd_bus_process(bus_, nullptr);
      if (progress < 0) return;  // the bus has ended
      if (progress > 0) continue;
      pollfd entry{sd_bus_get_fd(bus_), static_cast<short>(sd_bus_get_events(bus_)), 0};
      ::poll(&entry, 1, 20);
    }
  }
  void tell_end(const char* job, const std::string& result) {
    sd_bus_emit_signal(bus_, "/org/freedesktop/systemd1", kManager, "JobRemoved", "uoss", 7U, job, "influxdb.service",
                       result.c_str());
  }
  static int on_message(sd_bus_message* message, void* user, sd_bus_error*) {
    return static_cast<FakeManager*>(user)->answer(message);
  }
  int answer(sd_bus_message* message) {
    if (sd_bus_message_is_method_call(message, kManager, "LoadUnit") > 0) {
      return sd_bus_reply_method_return(message, "o", "/org/freedesktop/systemd1/unit/influxdb_2eservice");
    }
    if (sd_bus_message_is_method_call(message, kManager, "Subscribe") > 0) {
      return sd_bus_reply_method_return(message, "");
    }
    if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Get") > 0) {
      const char* interface = nullptr;
      const char* name = nullptr;
      sd_bus_message_read(message, "ss", &interface, &name);
      const std::string wanted = name;
      const bool after = !restarts().empty();
      const std::string& value = wanted == "LoadState"  ? script_.load
                                 : wanted == "SubState" ? script_.sub
                                 : after                ? script_.active_after
                                                        : script_.active;
      return sd_bus_reply_method_return(message, "v", "s", value.c_str());
    }
    if (sd_bus_message_is_method_call(message, kManager, "RestartUnit") > 0) {
      if (!script_.refusal.empty()) return sd_bus_reply_method_errorf(message, script_.refusal.c_str(), "not you");
      const char* unit = nullptr;
      const char* mode = nullptr;
      sd_bus_message_read(message, "ss", &unit, &mode);
      if (script_.other_job_first) tell_end("/org/freedesktop/systemd1/job/6", "done");
      if (script_.signal_first) tell_end(kJob, script_.result);
      sd_bus_reply_method_return(message, "o", kJob);
      if (!script_.signal_first && !script_.result.empty()) tell_end(kJob, script_.result);
      const MutexLock lock(mutex_);
      restarts_.push_back(std::string(unit) + " " + mode);
      return 1;
    }
    return 0;
  }

  const Script script_;
  sd_bus* bus_ = nullptr;
  std::atomic<bool> stopping_ = false;
  Mutex mutex_;  // guards what was asked for
  std::vector<std::string> restarts_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace wal_exporter::actions
