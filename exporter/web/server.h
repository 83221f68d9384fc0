// The HTTP server: routes, the guard on changing requests, logins, the seed API
// and the v1 API, over CivetWeb.
//
// start() opens the port; the destructor (or stop()) waits for running requests,
// at most 2 s. Handlers read the View and ask Commands and Queries, nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "metrics/page.h"
#include "view/commands.h"
#include "view/view.h"
#include "web/users.h"

namespace walx::web {

struct ServerOptions {
  std::string listen_address = ":3002";  // ":3002" (all addresses), "127.0.0.1:0", "[::1]:3002"
  Users users;                           // empty: no logins configured
  std::size_t threads = 8;
  std::size_t max_body_bytes = 64 * 1024;
};

struct Dependencies {
  const view::ViewHolder& views;
  view::Commands& commands;
  view::Queries& queries;
  metrics::MetricsPage& metrics;
  const Clock& clock;
  Log log;
};

class Server {
 public:
  // Port taken or not allowed, address not ours: an error that names the address
  // and the remedy.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerOptions options, Dependencies dependencies);

  virtual ~Server() = default;
  // The port that was opened (0 in the options: any free one).
  [[nodiscard]] virtual int port() const = 0;
  // New users from a reloaded web.config.file.
  virtual void set_users(Users users) = 0;
  virtual void stop() = 0;
};

}  // namespace walx::web
