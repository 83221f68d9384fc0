#include "web/users.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/mutex.h"
#include "base/text.h"
#include "web/password.h"

namespace wal_exporter::web {

// The last login of each user that went well, as a keyed hash of the stored hash
// and the password.
class LoginCache {
 public:
  // nullopt where nothing can be remembered: there is no randomness.
  [[nodiscard]] std::optional<std::string> key(const std::string& hash, const std::string& password) const {
    return keyed_hash(key_, hash + password);
  }

  [[nodiscard]] bool holds(const std::string& name, const std::string& key) {
    const MutexLock lock(mutex_);
    const auto found = keys_.find(name);
    return found != keys_.end() && equal_in_constant_time(found->second, key);
  }

  void remember(const std::string& name, std::string key) {
    const MutexLock lock(mutex_);
    keys_[name] = std::move(key);
  }

 private:
  const std::string key_ = random_key();  // as long as the process lives
  Mutex mutex_;
  std::map<std::string, std::string> keys_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
// 2^16 rounds take seconds. Checking a costlier hash would hold up the other requests.
constexpr int kMaxCost = 16;

constexpr const char* kTlsRefused =
    "tls_server_config is not supported: the web server library this program is built on (CivetWeb 1.15) crashes on "
    "TLS connections with OpenSSL 3; take the section out, listen on loopback (--web.listen-address=127.0.0.1:3002) "
    "and let nginx in front of it do TLS";

tl::unexpected<Error> refuse(const std::string& file, const YAML::Node& node, const std::string& message) {
  const auto mark = node.Mark();
  const auto line = mark.line >= 0 ? ":" + std::to_string(mark.line + 1) : std::string();
  return failure(ErrorKind::invalid, file + line + ": " + message);
}

// An empty section is as good as none.
bool is_empty(const YAML::Node& node) {
  return node.IsNull() || (node.IsMap() && node.size() == 0);
}

Result<std::string> key_of(const std::string& file, const YAML::Node& key, std::set<std::string>& seen) {
  if (!key.IsScalar()) return refuse(file, key, "a key must be a plain word");
  const auto& name = key.Scalar();
  if (!seen.insert(name).second) return refuse(file, key, "\"" + escape_control(name) + "\" is given twice");
  return name;
}

Result<std::map<std::string, std::string>> read_users(const std::string& file, const YAML::Node& key,
                                                      const YAML::Node& node) {
  if (!node.IsMap() || node.size() == 0) {
    return refuse(file, key,
                  "basic_auth_users must be a map from at least one user name to a bcrypt hash; leave the key out to "
                  "run without logins");
  }
  std::map<std::string, std::string> users;
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const auto name = key_of(file, entry.first, seen);
    if (!name) return tl::unexpected(name.error());
    const auto shown = "\"" + escape_control(*name) + "\"";
    if (name->empty() || name->find(':') != std::string::npos || escape_control(*name) != *name) {
      return refuse(file, entry.first,
                    "user " + shown +
                        " could never log in: a name must not be empty nor hold a colon or a control "
                        "character");
    }
    const auto hash = entry.second.IsScalar() ? entry.second.Scalar() : std::string();
    const auto cost = bcrypt_cost(hash);
    if (!cost) {
      // The value is not shown: it may be a password in clear.
      return refuse(file, entry.first,
                    "the value of user " + shown +
                        " is not a bcrypt hash ($2a$, $2b$ or $2y$ and 60 characters in "
                        "all); make one with `htpasswd -nBC 10 \"\"`");
    }
    if (*cost > kMaxCost) {
      return refuse(file, entry.first,
                    "the hash of user " + shown + " has cost " + std::to_string(*cost) +
                        ", so that one login would take many seconds; at most " + std::to_string(kMaxCost) +
                        " is taken, 10 is usual");
    }
    users.emplace(*name, hash);
  }
  return users;
}

Result<void> check_http(const std::string& file, const YAML::Node& key, const YAML::Node& node) {
  if (is_empty(node)) return {};
  if (!node.IsMap()) return refuse(file, key, "http_server_config must be a map");
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const auto name = key_of(file, entry.first, seen);
    if (!name) return tl::unexpected(name.error());
    if (*name == "http2") {
      // Either value is harmless: without TLS there is no HTTP/2 in the toolkit either.
      bool value = false;
      if (!YAML::convert<bool>::decode(entry.second, value)) {
        return refuse(file, entry.first, "http2 must be true or false");
      }
      continue;
    }
    return refuse(file, entry.first,
                  "http_server_config." + escape_control(*name) +
                      " is not supported: only http2 is taken here; set response headers in the proxy in front");
  }
  return {};
}

Result<std::map<std::string, std::string>> read_document(const std::string& file, const YAML::Node& root) {
  if (root.IsNull()) return std::map<std::string, std::string>();
  if (!root.IsMap()) return refuse(file, root, "the file must be a map with the key basic_auth_users");
  std::map<std::string, std::string> users;
  std::set<std::string> seen;
  for (const auto& entry : root) {
    const auto key = key_of(file, entry.first, seen);
    if (!key) return tl::unexpected(key.error());
    if (*key == "basic_auth_users") {
      auto read = read_users(file, entry.first, entry.second);
      if (!read) return read;
      users = std::move(*read);
    } else if (*key == "tls_server_config") {
      if (!is_empty(entry.second)) return refuse(file, entry.first, kTlsRefused);
    } else if (*key == "http_server_config") {
      if (const auto checked = check_http(file, entry.first, entry.second); !checked) {
        return tl::unexpected(checked.error());
      }
    } else {
      return refuse(file, entry.first,
                    "unknown key \"" + escape_control(*key) + "\"; known are basic_auth_users and http_server_config");
    }
  }
  return users;
}

// A well-formed hash of that cost that belongs to no known password.
std::string decoy_hash(int cost) {
  const auto digits = std::to_string(cost);
  return "$2b$" + std::string(2 - digits.size(), '0') + digits + "$" + std::string(53, '.');
}

}  // namespace

Users::Users() : cache_(std::make_shared<LoginCache>()) {}

Result<Users> Users::load(const std::string& file) {
  const auto text = read_file(file, kMaxFileBytes, "web.config.file");
  if (!text) return tl::unexpected(text.error());
  return parse(*text, file);
}

Result<Users> Users::parse(const std::string& yaml, const std::string& name) {
  Result<std::map<std::string, std::string>> read;
  try {
    const auto documents = YAML::LoadAll(yaml);
    if (documents.size() > 1) return failure(ErrorKind::invalid, name + ": more than one YAML document; one is taken");
    read = read_document(name, documents.empty() ? YAML::Node() : documents.front());
  } catch (const YAML::Exception& error) {
    const auto line = error.mark.line >= 0 ? ":" + std::to_string(error.mark.line + 1) : std::string();
    return failure(ErrorKind::invalid, name + line + ": not valid YAML: " + escape_control(error.msg));
  }
  if (!read) return tl::unexpected(read.error());
  Users users;
  users.hashes_ = std::move(*read);
  int costliest = 0;
  for (const auto& [user, hash] : users.hashes_) costliest = std::max(costliest, bcrypt_cost(hash).value_or(0));
  if (users.configured()) users.decoy_ = decoy_hash(costliest);
  return users;
}

bool Users::check(const std::string& name, const std::string& password) const {
  if (!configured()) return false;
  const auto found = hashes_.find(name);
  const bool known = found != hashes_.end();
  const auto& stored = known ? found->second : decoy_;

  auto key = cache_->key(stored, password);
  if (key && known && cache_->holds(name, *key)) return true;
  const auto hash = hash_password(password, stored);
  const bool right = hash && equal_in_constant_time(*hash, stored) && known;
  if (right && key) cache_->remember(name, std::move(*key));
  return right;
}

bool Users::check_control(const std::string& token) const {
  return !control_token_.empty() && equal_in_constant_time(control_token_, token);
}

bool Users::check_alerts(const std::string& token) const {
  return takes_alerts() && equal_in_constant_time(alerts_token_, token);
}

}  // namespace wal_exporter::web
