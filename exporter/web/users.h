// Logins from the exporter-toolkit's web.config.file: `basic_auth_users`, names to
// bcrypt hashes. A value; copies share what they remember. Safe from any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "web/guard.h"

namespace wal_exporter::web {

class LoginCache;

class Users {
 public:
  // Nobody: no logins are configured.
  Users();

  // Reads the file strictly. `tls_server_config` is refused with a text that says
  // why (CivetWeb 1.15 crashes with OpenSSL 3) and what to do (nginx in front);
  // so is a hash that is not bcrypt, and every key that could not be honoured.
  [[nodiscard]] static Result<Users> load(const std::string& file);
  // The same from a text; `name` stands for the file in messages.
  [[nodiscard]] static Result<Users> parse(const std::string& yaml, const std::string& name);

  // What is another in `after`, a line each: names alone, never a hash or a token.
  [[nodiscard]] std::vector<std::string> changes_to(const Users& after) const;

  [[nodiscard]] bool configured() const { return !hashes_.empty(); }
  // Takes as long for an unknown name as for a wrong password. Successful logins are remembered
  // as a keyed hash, so that the cost of bcrypt is paid once.
  [[nodiscard]] bool check(const std::string& name, const std::string& password) const;

  // The random token of the state directory's control file, which the command line
  // sends from this machine; empty: none.
  void set_control_token(std::string token) { control_token_ = std::move(token); }
  [[nodiscard]] bool check_control(const std::string& token) const;

  // Who may do what without a login.
  void set_access(Access access) { access_ = std::move(access); }
  [[nodiscard]] const Access& access() const { return access_; }

  // What Alertmanager sends to POST /api/v1/alerts; empty: alerts are not taken.
  void set_alerts_token(std::string token) { alerts_token_ = std::move(token); }
  [[nodiscard]] bool takes_alerts() const { return !alerts_token_.empty(); }
  [[nodiscard]] bool check_alerts(const std::string& token) const;

 private:
  std::map<std::string, std::string> hashes_;
  std::string control_token_;
  std::string alerts_token_;
  Access access_;
  std::string decoy_;  // nobody's hash, as costly as the costliest real one; for unknown names
  std::shared_ptr<LoginCache> cache_;
};

}  // namespace wal_exporter::web
