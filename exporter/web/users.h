// Logins: names and bcrypt hashes, as `basic_auth_users` of the web configuration file has them.
// A value; copies share what they remember. Safe from any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "web/guard.h"
#include "web/login_limit.h"

namespace wal_exporter::web {

// bcrypt takes so many bytes of a password and passes over the rest.
inline constexpr std::size_t kLongestPassword = 72;

class Users {
 public:
  // Nobody: no logins are configured.
  Users();
  // Hashes by name, each one that `bcrypt_cost` takes.
  explicit Users(std::map<std::string, std::string> hashes);

  // What is another in `after`, a line each: names alone, never a hash or a token.
  [[nodiscard]] std::vector<std::string> changes_to(const Users& after) const;
  // Goes on with what `before` remembers: logins that went well, and who asked too often.
  void go_on_from(const Users& before);
  // Takes over what the file of users says nothing of: tokens, and who may do what without a login.
  void take_rest(const Users& before);

  [[nodiscard]] bool configured() const { return !hashes_.empty(); }
  // A login that went well is remembered as a keyed hash, and costs nothing from then on. Others
  // cost a bcrypt each, and are limited (login_limit.h) by `address`, the peer's. Whatever is
  // wrong takes as long as the costliest user's hash, be it the password or the name. A password
  // of more than 72 bytes is wrong.
  [[nodiscard]] LoginAnswer check(const std::string& name, const std::string& password,
                                  const std::string& address) const;

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
  struct Memory;

  std::map<std::string, std::string> hashes_;
  int costliest_ = 0;
  std::string control_token_;
  std::string alerts_token_;
  Access access_;
  std::shared_ptr<Memory> memory_;
};

}  // namespace wal_exporter::web
