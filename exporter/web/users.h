// Logins from the exporter-toolkit's web.config.file: `basic_auth_users`, names to
// bcrypt hashes. A value; safe from any thread for reading.
#pragma once

#include <map>
#include <string>

#include "base/result.h"

namespace walx::web {

class Users {
 public:
  Users() = default;

  // Reads the file strictly. `tls_server_config` is refused with a text that says
  // why (CivetWeb 1.15 crashes with OpenSSL 3) and what to do (nginx in front);
  // so is a hash that is not bcrypt.
  [[nodiscard]] static Result<Users> load(const std::string& file);

  [[nodiscard]] bool configured() const { return !hashes_.empty(); }
  // Takes as long for an unknown name as for a wrong password. Checked logins are
  // remembered (by a keyed hash), so that bcrypt's cost is paid once.
  [[nodiscard]] bool check(const std::string& name, const std::string& password) const;

 private:
  std::map<std::string, std::string> hashes_;
};

}  // namespace walx::web
