// One of the test servers of tests/servers as a child process, and a clock that
// runs faster than the real one, so that minutes of waiting take a second.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "http/client.h"
#include "paths.h"

namespace wal_exporter::tests {

class ServerProcess {
 public:
  // Returns once it listens. It ends with this object, or with its stdin, should
  // the test itself die.
  ServerProcess(const std::string& script, std::vector<std::string> arguments) {
    const std::vector<std::string> ours = {"--http-bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0",
                                           "--exit-with-stdin"};
    arguments.insert(arguments.begin(),
                     {"/usr/bin/python3", "-B", std::string(tests::kSource) + "/tests/servers/" + script});
    arguments.insert(arguments.end(), ours.begin(), ours.end());
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);

    int in[2];
    int out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    EXPECT_EQ(::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = Fd(in[1]);
    const Fd output(out[0]);
    url_ = "http://" + announced(output, "listening ");
    admin_ = "http://" + announced(output, "admin ");
  }
  ~ServerProcess() { kill(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
  }

  [[nodiscard]] const std::string& url() const { return url_; }

  // The tests' side: tests/servers/README.md.
  void tell(const std::string& action) { EXPECT_EQ(send("POST", admin_ + "/" + action).status, 200) << action; }
  [[nodiscard]] nlohmann::json counters() {
    return nlohmann::json::parse(send("GET", admin_ + "/counters").body, nullptr, false);
  }
  http::Response send(const std::string& method, const std::string& url, const std::string& body = "",
                      const std::string& token = "") {
    http::Client client;
    http::Request request;
    request.method = method;
    request.url = url;
    request.body = body;
    if (!token.empty()) request.secret_header = "Authorization: Token " + token;
    const auto response = client.send(request, {});
    EXPECT_TRUE(response) << response.error().message;
    return response.value_or(http::Response{});
  }

 private:
  std::string announced(const Fd& output, const std::string& what) {
    std::string line;
    pollfd ready{output.get(), POLLIN, 0};
    char c = 0;
    while (::poll(&ready, 1, 20'000) > 0 && ::read(output.get(), &c, 1) == 1 && c != '\n') line += c;
    EXPECT_TRUE(line.starts_with(what)) << line;
    return line.substr(std::min(what.size(), line.size()));
  }

  pid_t pid_ = -1;
  Fd stdin_;
  std::string url_;
  std::string admin_;
};

// Starts at `start` and runs `factor` times as fast as the real one.
class FastClock final : public Clock {
 public:
  FastClock(Time start, int factor) : start_(start), factor_(factor) {}

  [[nodiscard]] Time now() const override { return start_ + since_begin(); }
  [[nodiscard]] SteadyTime steady() const override { return begin_ + since_begin(); }
  void wait_until(CondVar& condition, Mutex& mutex, SteadyTime deadline) override WAL_EXPORTER_REQUIRES(mutex) {
    real_.wait_until(condition, mutex, begin_ + (deadline - begin_) / factor_ + std::chrono::microseconds(1));
  }

 private:
  [[nodiscard]] Duration since_begin() const { return (real_.steady() - begin_) * factor_; }

  SystemClock real_;
  const Time start_;
  const int factor_;
  const SteadyTime begin_ = real_.steady();
};

}  // namespace wal_exporter::tests
