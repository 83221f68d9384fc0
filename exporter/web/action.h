// What the actions behind the routes share: what they are asked, what they may use, and
// how they refuse. An action is a function in the file of its topic, beside its row of the
// route table. Safe from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "web/request.h"
#include "web/response.h"
#include "web/server.h"

namespace wal_exporter::web {

struct Call {
  const Request& request;
  Parameters query;
  std::vector<std::string> names;                  // the values of {…} in the pattern
  std::optional<std::string> user;                 // who logged in
  std::shared_ptr<const view::TargetView> target;  // set where the pattern names one by {name}

  // Who asks, for the audit: "user alice" or "loopback".
  [[nodiscard]] std::string actor() const { return user ? "user " + *user : std::string("loopback"); }
};

struct Context : Dependencies {
  Context(Dependencies dependencies, std::size_t waiters, std::size_t open_streams)
      : Dependencies(std::move(dependencies)), max_waiting(waiters), max_streams(open_streams) {}

  const std::size_t max_waiting;
  const std::size_t max_streams;
  mutable std::atomic<std::size_t> waiting{0};   // for the end of a checkpoint
  mutable std::atomic<std::size_t> starting{0};  // for a sample before one
  mutable std::atomic<std::size_t> streams{0};
  mutable std::atomic<std::size_t> scrapes{0};
  // The dependencies are about to be destroyed: a call that returns from Commands after
  // this touches none of them.
  std::atomic<bool> abandoned{false};

  // Asks Commands, which may block: context.ask(&view::Commands::plan, name, at_once).
  template <typename Answer, typename... Parameters, typename... Given>
  [[nodiscard]] Result<Answer> ask(Result<Answer> (view::Commands::*question)(Parameters...), Given&&... given) const {
    auto answer = (commands.*question)(std::forward<Given>(given)...);
    if (abandoned) return failure(ErrorKind::cancelled, "the exporter is shutting down");
    return answer;
  }
};

// A refused request that changes something also says success, timestamp and message.
[[nodiscard]] Response refuse(const Context& context, const Request& request, int status, const std::string& reason,
                              const std::string& remedy, const Json& extra = Json::object());
[[nodiscard]] Response refuse(const Context& context, const Request& request, const Error& error);
// What Commands answered: a target that is gone by now is one that is not there.
[[nodiscard]] Response refuse(const Context& context, const Call& call, const Error& error);
[[nodiscard]] Response no_such_target(const Context& context, const Request& request, const std::string& name);

// nullptr: there is none of that name.
[[nodiscard]] std::shared_ptr<const view::TargetView> find_target(const view::View& view, const std::string& name);

// The target of `?target=NAME`, or the first; if there is none, `refusal` says why.
struct Chosen {  // `refusal` only if `target` is nullptr
  std::shared_ptr<const view::TargetView> target;
  Response refusal;
};
[[nodiscard]] Chosen choose_target(const Context& context, const Call& call);

struct Route {
  std::string_view pattern;
  std::string_view method;  // GET (and so HEAD) or POST
  Response (*action)(const Context& context, const Call& call);
  bool open = false;    // needs no login
  bool alerts = false;  // takes the alerts' own token, and no login
};

inline constexpr std::string_view kTargetPattern = "/api/v1/targets/{name}";
inline constexpr std::string_view kMetricsPath = "/metrics";  // unless --web.telemetry-path says another
inline constexpr std::string_view kAlertsPath = "/api/v1/alerts";

// Each from the file of its topic; the handler puts them together.
[[nodiscard]] std::span<const Route> page_routes();
[[nodiscard]] std::span<const Route> process_routes();
[[nodiscard]] std::span<const Route> metrics_routes();
[[nodiscard]] std::span<const Route> target_routes();
[[nodiscard]] std::span<const Route> checkpoint_routes();
[[nodiscard]] std::span<const Route> alert_routes();
[[nodiscard]] std::span<const Route> event_routes();
[[nodiscard]] std::span<const Route> hook_routes();
[[nodiscard]] std::span<const Route> seed_routes();

}  // namespace wal_exporter::web
