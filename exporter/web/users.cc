#include "web/users.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/mutex.h"
#include "base/text.h"
#include "base/yaml.h"
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

tl::unexpected<Error> refuse(const std::string& file, int line, const std::string& message) {
  return failure(ErrorKind::invalid, file + ":" + std::to_string(line) + ": " + message);
}

// An empty section is as good as none.
bool is_empty(const YamlNode& node) {
  return node.kind == YamlNode::Kind::null || (node.kind == YamlNode::Kind::map && node.entries.empty());
}

Result<std::map<std::string, std::string>> read_users(const std::string& file, const YamlEntry& section) {
  if (section.value->entries.empty()) {
    return refuse(file, section.line,
                  "basic_auth_users must be a map from at least one user name to a bcrypt hash; leave the key out to "
                  "run without logins");
  }
  std::map<std::string, std::string> users;
  for (const auto& [name, line, value] : section.value->entries) {
    const auto shown = "\"" + escape_control(name) + "\"";
    if (name.empty() || name.find(':') != std::string::npos || escape_control(name) != name) {
      return refuse(file, line,
                    "user " + shown +
                        " could never log in: a name must not be empty nor hold a colon or a control "
                        "character");
    }
    const auto cost = bcrypt_cost(value->text);
    if (!cost) {
      // The value is not shown: it may be a password in clear.
      return refuse(file, line,
                    "the value of user " + shown +
                        " is not a bcrypt hash ($2a$, $2b$ or $2y$ and 60 characters in "
                        "all); make one with `htpasswd -nBC 10 \"\"`");
    }
    if (*cost > kMaxCost) {
      return refuse(file, line,
                    "the hash of user " + shown + " has cost " + std::to_string(*cost) +
                        ", so that one login would take many seconds; at most " + std::to_string(kMaxCost) +
                        " is taken, 10 is usual");
    }
    users.emplace(name, value->text);
  }
  return users;
}

Result<void> check_http(const std::string& file, const YamlEntry& section) {
  if (is_empty(*section.value)) return {};
  if (section.value->kind != YamlNode::Kind::map) {
    return refuse(file, section.line, "http_server_config must be a map");
  }
  for (const auto& [name, line, value] : section.value->entries) {
    if (name != "http2") {
      return refuse(file, line,
                    "http_server_config." + escape_control(name) +
                        " is not supported: only http2 is taken here; set response headers in the proxy in front");
    }
    // Either value is harmless: without TLS there is no HTTP/2 in the toolkit either.
    const std::string word = lower_case(value->text);
    constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on", "off", "y", "n"};
    if (std::find(std::begin(kWords), std::end(kWords), word) == std::end(kWords)) {
      return refuse(file, line, "http2 must be true or false");
    }
  }
  return {};
}

Result<std::map<std::string, std::string>> read_document(const std::string& file, const YamlNode& root) {
  std::map<std::string, std::string> users;
  if (root.kind == YamlNode::Kind::null) return users;
  if (root.kind != YamlNode::Kind::map) {
    return refuse(file, root.line, "the file must be a map with the key basic_auth_users");
  }
  for (const YamlEntry& entry : root.entries) {
    if (entry.key == "basic_auth_users") {
      auto read = read_users(file, entry);
      if (!read) return read;
      users = std::move(*read);
    } else if (entry.key == "tls_server_config") {
      if (!is_empty(*entry.value)) return refuse(file, entry.line, kTlsRefused);
    } else if (entry.key == "http_server_config") {
      if (const auto checked = check_http(file, entry); !checked) return tl::unexpected(checked.error());
    } else {
      return refuse(
          file, entry.line,
          "unknown key \"" + escape_control(entry.key) + "\"; known are basic_auth_users and http_server_config");
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
  const auto tree = parse_yaml(yaml, name);
  if (!tree) return tl::unexpected(tree.error());
  auto read = read_document(name, tree->root());
  if (!read) return tl::unexpected(read.error());
  Users users;
  users.hashes_ = std::move(*read);
  int costliest = 0;
  for (const auto& [user, hash] : users.hashes_) costliest = std::max(costliest, bcrypt_cost(hash).value_or(0));
  if (users.configured()) users.decoy_ = decoy_hash(costliest);
  return users;
}

std::vector<std::string> Users::changes_to(const Users& after) const {
  std::vector<std::string> out;
  const auto login = [](const std::string& name) { return "login " + escape_control(name) + ": "; };
  for (const auto& [name, hash] : hashes_) {
    const auto now = after.hashes_.find(name);
    if (now == after.hashes_.end()) out.push_back(login(name) + "removed");
    if (now != after.hashes_.end() && now->second != hash) out.push_back(login(name) + "password changed");
  }
  for (const auto& [name, hash] : after.hashes_) {
    if (!hashes_.contains(name)) out.push_back(login(name) + "added");
  }
  if (takes_alerts() && after.takes_alerts() && alerts_token_ != after.alerts_token_) {
    out.emplace_back("alerts.token_file: another token");
  }
  return out;
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
