#include "actions/docker.h"

#include <unistd.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/secrets.h"
#include "base/text.h"
#include "http/client.h"

namespace wal_exporter::actions {
namespace {

using Json = nlohmann::json;

// Versions of the engine's API. What is asked for here reads the same in all of them.
struct ApiVersion {
  int major = 0;
  int minor = 0;
  friend auto operator<=>(const ApiVersion&, const ApiVersion&) = default;
};
constexpr ApiVersion kTried{1, 41};  // Debian 12's engine
constexpr ApiVersion kOldest{1, 24};

// To start again, beyond the time to stop.
constexpr Duration kStartTime = std::chrono::minutes(1);
constexpr std::size_t kLargestAnswer = std::size_t{4} << 20U;

[[nodiscard]] std::optional<ApiVersion> parse_version(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  ApiVersion out;
  const auto number = [](std::string_view digits, int& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc{} && end == digits.data() + digits.size() && value >= 0;
  };
  if (!number(text.substr(0, dot), out.major) || !number(text.substr(dot + 1), out.minor)) return std::nullopt;
  return out;
}

[[nodiscard]] std::string to_text(ApiVersion version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor);
}

[[nodiscard]] bool flag_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

[[nodiscard]] std::string cut(std::string_view text) {
  constexpr std::size_t kMost = 300;
  return foreign_text(text, kMost);
}

// What the engine says in an answer that is no success.
[[nodiscard]] std::string said(const http::Response& response) {
  const Json body = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  const std::string message = text_of(body, "message");
  return cut(message.empty() ? std::string_view(response.body) : std::string_view(message));
}

struct Container {
  std::string status;  // running, exited, ...
  bool running = false;
  bool paused = false;
  std::string started_at;  // as the engine says it; changes with every start
  int exit_code = 0;
};

class DockerRestart final : public RestartMethod {
 public:
  explicit DockerRestart(DockerOptions options) : options_(std::move(options)) {}

  [[nodiscard]] std::string_view name() const override { return to_string(Way::docker); }

  [[nodiscard]] Result<std::string> check(const std::stop_token& stop) override {
    const auto found = inspect(stop);
    if (!found) return tl::unexpected(found.error());
    return "restart container " + shown() + " (" + cut(found->status) + " since " + cut(found->started_at) +
           ") through Docker at " + escape_control(options_.socket) + ", with " +
           format_duration(options_.stop_timeout) + " to end";
  }

  [[nodiscard]] Result<std::string> restart(const std::stop_token& stop) override {
    const auto before = inspect(stop);
    if (!before) return tl::unexpected(before.error());
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(options_.stop_timeout).count();
    const Duration limit = options_.stop_timeout + kStartTime;
    const auto answer = ask("POST", "/restart?t=" + std::to_string(seconds), limit, stop);
    if (!answer) {
      Error error = answer.error();
      const bool under_way = error.kind == ErrorKind::timeout || error.kind == ErrorKind::cancelled;
      if (under_way) error.message += "; Docker may still be at it: see `docker ps -a`";
      return tl::unexpected(std::move(error));
    }
    if (answer->status == 404) return tl::unexpected(missing());
    if (answer->status < 200 || answer->status > 299) {
      return failure(ErrorKind::unavailable, "Docker could not restart container " + shown() + ": " +
                                                 std::to_string(answer->status) + " " + said(*answer) +
                                                 "; see `docker logs " + shown() + "`");
    }
    const auto after = inspect(stop);
    if (!after) {
      return failure(after.error().kind,
                     "Docker reported that it restarted the container, but: " + after.error().message);
    }
    if (after->started_at == before->started_at) {
      return failure(ErrorKind::corrupt, "Docker reported that it restarted container " + shown() +
                                             ", but it runs since " + cut(after->started_at) + " as before");
    }
    return "container " + shown() + " was restarted, it runs since " + cut(after->started_at);
  }

 private:
  [[nodiscard]] std::string shown() const { return escape_control(options_.container); }

  [[nodiscard]] Error missing() const {
    return {ErrorKind::not_found, "Docker at " + escape_control(options_.socket) + " has no container named " +
                                      shown() + "; `docker ps -a` lists them, set restart.docker.container"};
  }

  [[nodiscard]] Result<http::Response> send(const std::string& method, const std::string& path, Duration timeout,
                                            const std::stop_token& stop) {
    http::Request request;
    request.method = method;
    request.url = "http://localhost" + path;
    request.unix_socket = options_.socket;
    request.connect_timeout = options_.timeout;
    request.timeout = timeout;
    request.max_response_bytes = kLargestAnswer;
    auto response = client_.send(request, stop);
    if (response) return response;
    Error error = response.error();
    const std::string socket = escape_control(options_.socket);
    switch (error.kind) {
      case ErrorKind::not_found:
        error.message = "there is no Docker socket at " + socket +
                        "; is Docker installed and started? A rootless one is at /run/user/UID/docker.sock: set "
                        "restart.docker.socket (" +
                        error.message + ")";
        break;
      case ErrorKind::permission:
        error.message = "this process (uid " + std::to_string(::geteuid()) + ") may not use the Docker socket " +
                        socket + "; let its user into the socket's group, which is as good as root (" + error.message +
                        ")";
        break;
      case ErrorKind::unavailable:
        error.message = "cannot connect to the Docker socket " + socket + "; start Docker: `systemctl start docker` (" +
                        error.message + ")";
        break;
      case ErrorKind::timeout:
        error.message = "Docker at " + socket + " did not answer within " + format_duration(timeout) +
                        ": it hangs or is very busy; see `journalctl -u docker` (" + error.message + ")";
        break;
      case ErrorKind::corrupt:
        error.message = "what answers at " + socket + " is not Docker: " + error.message;
        break;
      default:
        break;
    }
    return tl::unexpected(std::move(error));
  }

  // About the container, in the version of the API that both sides know.
  [[nodiscard]] Result<http::Response> ask(const std::string& method, const std::string& what, Duration timeout,
                                           const std::stop_token& stop) {
    return send(method, "/v" + version_ + "/containers/" + percent_encode(options_.container) + what, timeout, stop);
  }

  // The engine's own version of the API, or the one tried here where that is older
  // and still understood.
  [[nodiscard]] Result<void> negotiate(const std::stop_token& stop) {
    const auto answer = send("GET", "/version", options_.timeout, stop);
    if (!answer) return tl::unexpected(answer.error());
    const Json body = Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
    const auto newest = parse_version(text_of(body, "ApiVersion"));
    if (answer->status != 200 || !newest) {
      return failure(ErrorKind::corrupt, "what answers at " + escape_control(options_.socket) +
                                             " is not Docker: GET /version gave " + std::to_string(answer->status) +
                                             " " + said(*answer));
    }
    if (*newest < kOldest) {
      return failure(ErrorKind::invalid, "Docker at " + escape_control(options_.socket) + " speaks API version " +
                                             to_text(*newest) + ", at least " + to_text(kOldest) +
                                             " is needed; upgrade it");
    }
    const ApiVersion least = parse_version(text_of(body, "MinAPIVersion")).value_or(kOldest);
    version_ = to_text(std::max(std::min(*newest, kTried), least));
    return {};
  }

  // A container that can be restarted; all else is an error.
  [[nodiscard]] Result<Container> inspect(const std::stop_token& stop) {
    if (const auto agreed = negotiate(stop); !agreed) return tl::unexpected(agreed.error());
    const auto answer = ask("GET", "/json", options_.timeout, stop);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->status == 404) return tl::unexpected(missing());
    if (answer->status != 200) {
      const ErrorKind kind =
          answer->status == 401 || answer->status == 403 ? ErrorKind::permission : ErrorKind::unavailable;
      return failure(kind, "Docker does not tell about container " + shown() + ": " + std::to_string(answer->status) +
                               " " + said(*answer));
    }
    const Json body = Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
    const Json state = body.is_object() ? body.value("State", Json::object()) : Json();
    Container found;
    found.status = text_of(state, "Status");
    if (!state.is_object() || found.status.empty()) {
      return failure(ErrorKind::corrupt,
                     "Docker's answer about container " + shown() + " can't be read: " + cut(answer->body));
    }
    const std::string name = text_of(body, "Name");
    if (!name.empty() && name != "/" + options_.container && name != options_.container) {
      return failure(ErrorKind::not_found, shown() + " is no name but the id of container " + cut(name.substr(1)) +
                                               "; set restart.docker.container to its name, ids change");
    }
    found.running = flag_of(state, "Running");
    found.paused = flag_of(state, "Paused");
    found.started_at = text_of(state, "StartedAt");
    if (const auto code = state.find("ExitCode"); code != state.end() && code->is_number_integer()) {
      found.exit_code = code->get<int>();
    }
    if (found.paused) {
      return failure(ErrorKind::conflict, "container " + shown() +
                                              " is paused, and what somebody paused is left "
                                              "alone; `docker unpause " +
                                              shown() + "`");
    }
    // One that Docker starts again and again runs, in its words.
    if (!found.running) {
      return failure(ErrorKind::conflict, "container " + shown() + " does not run (" + cut(found.status) +
                                              ", exit code " + std::to_string(found.exit_code) +
                                              "), and what somebody stopped is not started; see why, then `docker "
                                              "start " +
                                              shown() + "`");
    }
    return found;
  }

  const DockerOptions options_;
  http::Client client_;
  std::string version_ = to_text(kTried);
};

}  // namespace

std::unique_ptr<RestartMethod> make_docker_restart(DockerOptions options) {
  return std::make_unique<DockerRestart>(std::move(options));
}

}  // namespace wal_exporter::actions
